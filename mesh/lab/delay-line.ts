import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Namespace } from "./namespace.js";
import { GATEWAY } from "./plan.js";
import type { LongRunning } from "./process.js";
import { makeKeys, startWireguard, type WireguardPeer } from "./wireguard.js";

const RELAY = fileURLToPath(new URL("delay-relay.mjs", import.meta.url));

/** Priorities of rules in the middle, in their order: neighbours, what is to be delayed, the middle itself. */
const [NEIGHBOUR, DELAYED, LOCAL] = [5, 10, 300];

/** Of the routing table of the first line; further ones have further numbers. */
const FIRST_TABLE = 1000;

/** The middle's end of the first line's tunnel. */
const FIRST_PORT = 40_000;

/**
 * Delays what comes into the middle by a link. Where the kernel has no netem, a process has to hold the packets, and
 * a process gets whole packets from a tunnel alone: so they go through one, from the middle to itself, whose own
 * packets pass a relay that waits.
 */
export class DelayLine {
  readonly #middle: Namespace;
  readonly #device: string;
  readonly #table: number;
  readonly #relay: LongRunning;
  #isUsed = false;

  private constructor(middle: Namespace, device: string, table: number, relay: LongRunning) {
    this.#middle = middle;
    this.#device = device;
    this.#table = table;
    this.#relay = relay;
  }

  /**
   * @param device - the link's end in the middle
   * @param number - from 0; no other line of the lab has it
   * @param nameOf - names for the ends of the tunnel
   */
  static async start(
    middle: Namespace,
    device: string,
    number: number,
    nameOf: (end: "a" | "b") => string,
  ): Promise<DelayLine> {
    const [portA, portB] = [FIRST_PORT + 2 * number, FIRST_PORT + 2 * number + 1];
    const [keysA, keysB, relay] = await Promise.all([
      makeKeys(middle),
      makeKeys(middle),
      middle.spawn([process.execPath, RELAY, `${portB}`]),
    ]);
    const [, port] = await relay.wrote(/^port (\d+)$/m);
    const to = (publicKey: string, more: Partial<WireguardPeer>): WireguardPeer[] => [
      { publicKey, allowedIps: ["0.0.0.0/0", "::/0"], ...more },
    ];
    await startWireguard(middle, nameOf("b"), {
      privateKey: keysB.privateKey,
      listenPort: portB,
      peers: to(keysA.publicKey, {}),
      mtu: 1500,
    });
    const first = await startWireguard(middle, nameOf("a"), {
      privateKey: keysA.privateKey,
      listenPort: portA,
      peers: to(keysB.publicKey, { endpoint: `127.0.0.1:${port}`, keepalive: 25 }),
      mtu: 1500,
    });
    // The handshake is no part of anybody's delay.
    while ((await first.show("latest-handshakes")).endsWith("\t0\n")) await pause(10);
    const table = FIRST_TABLE + number;
    // What is for the middle itself is looked at first by default, and would pass by. But who asks for the middle's
    // end of the link asks in vain when that is elsewhere.
    const setUp = (neighbours: string): string[] => [
      ...(number > 0
        ? []
        : [
            `rule add pref ${LOCAL} lookup local`,
            `rule add pref ${NEIGHBOUR} to ${neighbours} lookup local`,
            "rule del pref 0",
          ]),
      `route add default dev ${nameOf("a")} table ${table}`,
    ];
    await middle.set({ ip: setUp(GATEWAY), ip6: setUp("fe80::/10") });
    return new DelayLine(middle, device, table, relay);
  }

  /** Delays by this many milliseconds from now on; 0 lets packets pass by. */
  async set(milliseconds: number): Promise<void> {
    const isUsed = milliseconds > 0;
    if (isUsed) {
      this.#relay.write(`${milliseconds}\n`);
      await this.#relay.wrote(new RegExp(`^delays by ${milliseconds}$`, "m"));
    }
    if (isUsed === this.#isUsed) return;
    this.#isUsed = isUsed;
    const rule = `rule ${isUsed ? "add" : "del"} pref ${DELAYED} iif ${this.#device} lookup ${this.#table}`;
    await this.#middle.set({ ip: [rule], ip6: [rule] });
  }
}
