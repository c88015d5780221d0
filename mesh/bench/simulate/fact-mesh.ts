import type { Random } from "../../../bench/simulate/random.js";
import type { Candidate } from "../../src/candidates/candidate.js";
import { LOOK_MS } from "../../src/facts/constants.js";
import { Exchange } from "../../src/facts/exchange.js";
import { standingOf } from "../../src/facts/trust.js";
import { bytesOf, keyOf } from "../../test/support/roster.js";
import { inTunnel, Traffic } from "./traffic.js";

/** How each member stands with each other one. */
const MEMBER = standingOf({ allowedIps: [], isMember: true });
const ROSTER_HASH = bytesOf("roster");

/** A member. */
export class FactHost {
  readonly name: string;
  readonly sent: Traffic = new Traffic();
  candidates: readonly Candidate[];
  exchange: Exchange;
  #boot = 0n;

  constructor(name: string, candidates: readonly Candidate[]) {
    this.name = name;
    this.candidates = candidates;
    this.exchange = this.start();
  }

  /** It starts again, and knows nothing. */
  start(): Exchange {
    const boot = ++this.#boot;
    this.exchange = new Exchange({
      own: () => this.name,
      boot: () => boot,
      candidates: () => this.candidates,
      rosterHash: () => ROSTER_HASH,
      standing: () => MEMBER,
      onDropped: (peer, why) => {
        throw new Error(`${this.name} drops what ${peer} says: ${why}`);
      },
    });
    return this.exchange;
  }
}

/**
 * Members that tell each other facts in their tunnels, by the real code of it. Of some members all tunnels are simulated:
 * the sample. Of the others there are those to the sample.
 */
export class FactMesh {
  now = 0;
  readonly hosts: readonly FactHost[];
  readonly sample: readonly FactHost[];
  readonly #random: Random;

  /** @param sample - how many of the members */
  constructor(members: number, sample: number, random: Random) {
    this.#random = random;
    this.hosts = Array.from({ length: members }, (_, i) => new FactHost(keyOf(`host-${i}`), this.#places()));
    this.sample = this.hosts.slice(0, sample);
  }

  /** Time passes, and each looks what is to be told, as often as a daemon does. */
  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += LOOK_MS) this.#look();
  }

  /** A member has other addresses. */
  move(host: FactHost): void {
    host.candidates = this.#places();
    host.exchange.changed();
  }

  #look(): void {
    for (const { exchange } of this.hosts) exchange.store.sweep(this.now);
    for (const [i, from] of this.hosts.entries())
      for (const to of i < this.sample.length ? this.hosts : this.sample)
        if (from !== to) this.#tell(from, to);
  }

  #tell(from: FactHost, to: FactHost): void {
    for (const bytes of from.exchange.tell(to.name, this.now)) {
      from.sent.add(inTunnel(bytes.length));
      const heard = to.exchange.hear(from.name, bytes, this.now);
      // All happens within a round trip, which is little beside the 5 s between two looks.
      if (heard?.isAwaiting === true) this.#tell(to, from);
    }
  }

  /** An address in a LAN, one of IPv6, and one outside of a NAT. */
  #places(): Candidate[] {
    const byte = (): number => 1 + this.#random.below(250);
    const port = 1024 + this.#random.below(60_000);
    return [
      { kind: "host", endpoint: { address: `192.168.${byte()}.${byte()}`, family: 4, port: 51820 }, ageS: 0 },
      {
        kind: "host",
        endpoint: { address: `2001:db8:${byte()}::${byte()}`, family: 6, port: 51820 },
        ageS: 0,
      },
      { kind: "reflexive", endpoint: { address: `198.51.${byte()}.${byte()}`, family: 4, port }, ageS: 0 },
    ];
  }
}
