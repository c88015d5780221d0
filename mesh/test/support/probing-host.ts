import type { Endpoint } from "../../src/ip/endpoint.js";
import { ProbeSockets } from "../../src/probe/probe-sockets.js";
import { type Answered, type Probed, Prober } from "../../src/probe/prober.js";
import type { View } from "../../src/probe/view.js";
import { formatKey } from "../../src/wireguard-key.js";
import { type HostKeys, newHostKeys, pairBetween } from "./keys.js";

export const NOTHING_YET: View = { isProven: false, isChosen: false, asksForHandshake: false };

/** A packet as it came in. */
export interface Packet {
  readonly bytes: Uint8Array;
  readonly remote: Endpoint;
}

/** A host that probes, on loopback, and writes down what it is told. */
export class ProbingHost implements AsyncDisposable {
  readonly answered: Answered[] = [];
  readonly probed: Probed[] = [];
  readonly told: Buffer[] = [];
  readonly packets: Packet[] = [];
  readonly prober: Prober;
  readonly sockets: ProbeSockets;
  /** How many packets came in, and whether they are kept. */
  received = 0;
  keepsPackets = true;
  /** What it says of every path. */
  view: View = NOTHING_YET;
  readonly #waiting = new Set<() => void>();

  private constructor(
    readonly keys: HostKeys,
    sockets: ProbeSockets,
    boot: () => bigint,
    receivers: Set<ProbingHost>,
  ) {
    receivers.add(this);
    this.sockets = sockets;
    this.prober = new Prober({
      ownPublicKey: () => keys.publicKey,
      boot,
      sender: sockets,
      events: {
        viewOf: () => this.view,
        onAnswered: (answered) => this.#note(() => this.answered.push(answered)),
        onProbed: (probed) => this.#note(() => this.probed.push(probed)),
        onTold: (_peer, bytes) => this.#note(() => this.told.push(Buffer.from(bytes))),
      },
    });
  }

  static async start(
    boot: bigint | (() => bigint) = 1n,
    keys: HostKeys = newHostKeys(),
  ): Promise<ProbingHost> {
    const hosts = new Set<ProbingHost>();
    const sockets = await ProbeSockets.open((bytes, remote, local) => {
      for (const host of hosts) host.#receive(bytes, remote, local);
    });
    return new ProbingHost(keys, sockets, typeof boot === "bigint" ? () => boot : boot, hosts);
  }

  get name(): string {
    return formatKey(this.keys.publicKey);
  }

  endpoint(address = "127.0.0.1"): Endpoint {
    return { address, family: address.includes(":") ? 6 : 4, port: this.sockets.port };
  }

  meet(peer: ProbingHost): void {
    this.prober.addPeer(peer.keys.publicKey, pairBetween(this.keys, peer.keys));
  }

  /** Resolves as soon as it is true; looks whenever something has come in. */
  async until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.prober.close();
    await this.sockets.close();
  }

  #receive(bytes: Uint8Array, remote: Endpoint, local: string | undefined): void {
    this.#note(() => {
      this.received++;
      if (this.keepsPackets) this.packets.push({ bytes: Uint8Array.from(bytes), remote });
      this.prober.receive(bytes, remote, local);
    });
  }

  #note(work: () => void): void {
    work();
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}
