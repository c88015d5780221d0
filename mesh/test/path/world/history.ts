import * as fc from "fast-check";
import type { Decision } from "../../../src/path/facts.js";
import { type Nat, NETWORKS, type Network } from "./network.js";
import { type Host, World } from "./world.js";

/** What happens to two hosts. */
export type Event =
  | { readonly type: "cut"; readonly host: 0 | 1; readonly network: Network; readonly isCut: boolean }
  | { readonly type: "loss"; readonly host: 0 | 1; readonly network: Network; readonly loss: number }
  | { readonly type: "filter"; readonly host: 0 | 1; readonly network: Network; readonly filters: boolean }
  | {
      readonly type: "renumber";
      readonly host: 0 | 1;
      readonly network: Network;
      readonly isNoticed: boolean;
    }
  | { readonly type: "restart"; readonly host: 0 | 1; readonly withWireGuard: boolean }
  | { readonly type: "network-changed"; readonly host: 0 | 1 }
  | { readonly type: "traffic"; readonly host: 0 | 1; readonly isOn: boolean }
  | { readonly type: "brokers"; readonly areUp: boolean };

export interface History {
  readonly seed: number;
  readonly hosts: readonly [Partial<Record<Network, Nat>>, Partial<Record<Network, Nat>>];
  readonly events: readonly { readonly afterMs: number; readonly event: Event }[];
}

const host: fc.Arbitrary<0 | 1> = fc.constantFrom(0, 1);
const network: fc.Arbitrary<Network> = fc.constantFrom(...NETWORKS);
const isSo = fc.boolean();

const nats: fc.Arbitrary<Partial<Record<Network, Nat>>> = fc.record(
  {
    lan: fc.constant<Nat>("open"),
    ipv6: fc.constantFrom<Nat>("open", "restricted"),
    ipv4: fc.constantFrom<Nat>("open", "restricted", "restricted", "symmetric", "blocked"),
  },
  { requiredKeys: ["ipv4"] },
);

const event: fc.Arbitrary<Event> = fc.oneof(
  fc.record({ type: fc.constant("cut" as const), host, network, isCut: isSo }),
  fc.record({ type: fc.constant("loss" as const), host, network, loss: fc.constantFrom(0, 0.1, 0.4) }),
  fc.record({ type: fc.constant("filter" as const), host, network, filters: isSo }),
  fc.record({ type: fc.constant("renumber" as const), host, network, isNoticed: isSo }),
  fc.record({ type: fc.constant("restart" as const), host, withWireGuard: isSo }),
  fc.record({ type: fc.constant("network-changed" as const), host }),
  fc.record({ type: fc.constant("traffic" as const), host, isOn: isSo }),
  fc.record({ type: fc.constant("brokers" as const), areUp: isSo }),
);

export const histories: fc.Arbitrary<History> = fc.record({
  seed: fc.nat(),
  hosts: fc.tuple(nats, nats),
  events: fc.array(fc.record({ afterMs: fc.nat(20_000), event }), { maxLength: 8 }),
});

/** Makes something happen. */
export function happen(world: World, event: Event): void {
  switch (event.type) {
    case "cut":
      world.link(event.host, event.network).isCut = event.isCut;
      break;
    case "loss":
      world.link(event.host, event.network).loss = event.loss;
      break;
    case "filter":
      world.link(event.host, event.network).filtersData = event.filters;
      break;
    case "renumber":
      world.hosts[event.host].renumber(event.network, event.isNoticed);
      break;
    case "restart":
      world.hosts[event.host].restart(event.withWireGuard);
      break;
    case "network-changed":
      world.hosts[event.host].tell({ type: "network-changed" });
      break;
    case "traffic":
      world.hosts[event.host].hasTraffic = event.isOn;
      break;
    case "brokers":
      world.hasBrokers = event.areUp;
      break;
  }
}

/** The two hosts can reach each other through this network, and nothing gets lost there. */
export function works(world: World, network: Network): boolean {
  const [one, other] = world.hosts.map(({ uplinks }) => uplinks.get(network)?.nat);
  if (one === undefined || other === undefined || one === "blocked" || other === "blocked") return false;
  const isHard = (one === "symmetric" && other !== "open") || (other === "symmetric" && one !== "open");
  const isClean = ([0, 1] as const).every((from) => {
    const { isCut, loss, filtersData } = world.link(from, network);
    return !isCut && loss === 0 && !filtersData;
  });
  return !isHard && isClean;
}

/** A history as it can be run again, for messages. */
export function replay(history: History): World {
  const world = new World(history);
  for (const { afterMs, event } of history.events) {
    world.runUntil(world.now + afterMs);
    happen(world, event);
  }
  return world;
}

type Of<Type extends Decision["type"]> = Extract<Decision, { type: Type }>;

/** What a host decided of one type, and when. */
export function decided<Type extends Decision["type"]>(
  { done }: Host,
  type: Type,
): { at: number; decision: Of<Type> }[] {
  return done.flatMap(({ at, decision }) =>
    decision.type === type ? [{ at, decision: decision as Of<Type> }] : [],
  );
}

/** The most that there are of some times within a window. */
export function most(times: readonly number[], windowMs: number): number {
  let first = 0;
  let found = 0;
  for (const [last, at] of times.entries()) {
    while ((times[first] ?? at) <= at - windowMs) first++;
    found = Math.max(found, last - first + 1);
  }
  return found;
}
