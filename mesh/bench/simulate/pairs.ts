import { DestinationBudget } from "../../src/path/budget.js";
import type { Fact } from "../../src/path/facts.js";
import { PathMachine } from "../../src/path/machine.js";
import { Tier } from "../../src/path/tiers.js";
import type { Nat } from "../../test/path/world/network.js";
import { type Host, World } from "../../test/path/world/world.js";

/** What happens to the first of two hosts that have a path to each other. */
export type PairEvent = "restart" | "move";

/** What one end of a pair has sent. */
export interface PairSent {
  /** Probes; each is answered, so it receives as many answers. */
  readonly probes: number;
  readonly answers: number;
  /** Announces, over the brokers and on a path that works. */
  readonly overBrokers: number;
  readonly onPath: number;
  /** Steps of its path machine. */
  readonly steps: number;
}

/** Both hosts behind such NATs. Hard ones with hard ones have no direct path, and are left to relays. */
export const NATS: readonly (readonly [Nat, Nat])[] = [
  ["restricted", "restricted"],
  ["open", "restricted"],
  ["symmetric", "open"],
];

/** Two hosts with real path machines in the tests' model network, and what they send. */
export class Pair {
  readonly world: CountingWorld;

  /** @param signalingMs - how long an announce over the brokers takes */
  constructor(seed: number, [own, peer]: readonly [Nat, Nat], signalingMs: number, loss = 0) {
    this.world = new CountingWorld({ seed, hosts: [{ ipv4: own }, { ipv4: peer }], signalingMs });
    for (const index of [0, 1] as const) this.world.link(index, "ipv4").loss = loss;
  }

  /** Both start. @returns how long it took until WireGuard's packets pass, ms */
  meet(): number {
    for (const host of this.world.hosts) host.tell({ type: "time" });
    return this.#untilConnected();
  }

  /** @returns how long it took until WireGuard's packets pass again, ms */
  happen(event: PairEvent): number {
    const [host] = this.world.hosts;
    if (event === "restart") host.restart(true);
    else host.renumber("ipv4", true);
    return this.#untilConnected();
  }

  pass(ms: number): void {
    this.world.runUntil(this.world.now + ms);
  }

  /** What one of the two has sent so far. */
  sent(index: 0 | 1): PairSent {
    return { ...this.world.sent[index], steps: this.world.hosts[index].steps };
  }

  #untilConnected(): number {
    const { now } = this.world;
    return (this.world.runTill(() => this.world.isConnected, now + 600_000) ?? Number.NaN) - now;
  }
}

/** What one machine was told, and when: to be told to others like it, with nothing around them. */
export interface Recorded {
  readonly fact: Fact;
  readonly at: number;
}

/** All that a machine is told from its start on. */
export function recordPair(seed: number, ms: number): Recorded[] {
  const pair = new Pair(seed, ["restricted", "restricted"], 150);
  const [{ machine }] = pair.world.hosts;
  const recorded: Recorded[] = [];
  const step = machine.step.bind(machine);
  machine.step = (fact, at) => {
    recorded.push({ fact, at });
    return step(fact, at);
  };
  pair.meet();
  pair.pass(ms);
  return recorded;
}

/** A machine that was told the same. */
export function replayed(recorded: readonly Recorded[]): PathMachine {
  const machine = new PathMachine({
    ...{ isDecider: true, destinations: new DestinationBudget(), random: () => 0.5 },
    tierOf: () => Tier.Reflexive,
  });
  for (const { fact, at } of recorded) machine.step(fact, at);
  return machine;
}

type Counted = { -readonly [What in keyof Omit<PairSent, "steps">]: number };

/** Counts what is sent. */
class CountingWorld extends World {
  readonly sent: readonly [Counted, Counted] = [
    { probes: 0, answers: 0, overBrokers: 0, onPath: 0 },
    { probes: 0, answers: 0, overBrokers: 0, onPath: 0 },
  ];

  override send(host: Host, to: string, packet: Parameters<World["send"]>[2]): void {
    const { sent } = this;
    if (packet.type === "probe") sent[host.index].probes++;
    if (packet.type === "answer") sent[host.index].answers++;
    super.send(host, to, packet);
  }

  /** As `telling` does it, an announce goes by a path that is proven, else over the brokers. */
  override announce(host: Host, announce: Parameters<World["announce"]>[1]): void {
    const { path } = host.machine.snapshot(this.now);
    if (path?.isProven) this.sent[host.index].onPath++;
    else this.sent[host.index].overBrokers++;
    super.announce(host, announce);
  }
}
