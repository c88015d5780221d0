import { setTimeout } from "node:timers/promises";
import type { HintStore, Keypair, Router } from "../../src/index.js";
import { library } from "../library.js";
import { openBare, type Place } from "./bare.js";
import { poolOf, untilOpen } from "./peers.js";

/** How long each start took, ms. */
export interface Starts {
  /** A bare client, from its making to the answer to its subscription. */
  readonly bare: number[];
  /** A router, from its making to its first inbound subscription. */
  readonly cold: number[];
  /** The same, with the hints that an earlier run has left in its store. */
  readonly warm: number[];
}

/** Between two starts, so that none pays for the end of the one before, ms. */
const REST_MS = 5;

/** One of each, so many times. */
export async function start(count: number, brokers: readonly Place[]): Promise<Starts> {
  const starts: Starts = { bare: [], cold: [], warm: [] };
  const [first] = brokers;
  if (first === undefined) throw new Error("a broker is needed");
  for (let i = 0; i < count; i++) {
    const keys = library.Keypair.generate();
    const hintStore = new library.MemoryHintStore();
    starts.bare.push(await startBare(first, keys.publicKeyHex));
    starts.cold.push(await startRouter(brokers, keys, hintStore));
    starts.warm.push(await startRouter(brokers, keys, hintStore));
  }
  return starts;
}

async function startBare(place: Place, topic: string): Promise<number> {
  const startedAt = performance.now();
  const client = await openBare(place, topic);
  const took = performance.now() - startedAt;
  await setTimeout(REST_MS);
  await client.endAsync();
  await setTimeout(REST_MS);
  return took;
}

async function startRouter(brokers: readonly Place[], keys: Keypair, hintStore: HintStore): Promise<number> {
  const options = { getTime: Date.now, brokers: poolOf(brokers), families: ["IPv4"], hintStore } as const;
  const startedAt = performance.now();
  const router: Router = new library.Router(keys, options);
  await router.start();
  const took = performance.now() - startedAt;
  // So that the store holds all of them.
  await untilOpen(router, brokers.length);
  await setTimeout(REST_MS);
  await router.close();
  await setTimeout(REST_MS);
  return took;
}
