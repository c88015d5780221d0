import { randomBytes } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import type { Router } from "../../src/index.js";
import { library } from "../library.js";
import { openBare, type Place } from "./bare.js";
import { makeRouter, untilOpen } from "./peers.js";

/** What must not be collected. */
const kept: unknown[] = [];
const routers: Router[] = [];

/** The memory in use, on the heap and outside, bytes. Needs `--expose-gc`. */
export async function usedMemory(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    await setTimeout(20);
    globalThis.gc?.();
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Makes routers for a pool of these brokers. Not started. */
export async function keepRouters(count: number, brokers: readonly Place[]): Promise<void> {
  for (let i = 0; i < count; i++) routers.push(await makeRouter({ brokers }));
}

/** Starts them, and waits until they listen on every broker. */
export async function startRouters(brokers: number): Promise<void> {
  for (const router of routers) {
    await router.start();
    await untilOpen(router, brokers);
  }
}

/** Opens so many pipes of one router, each to another peer. */
export async function keepPipes(count: number): Promise<void> {
  const [router] = routers;
  for (let i = 0; i < count; i++) kept.push(await router?.pipe(library.Keypair.generate().publicKeyHex));
}

/** Connects so many bare clients to each broker, subscribed and listening. */
export async function keepBare(perBroker: number, brokers: readonly Place[]): Promise<void> {
  for (const place of brokers) {
    for (let i = 0; i < perBroker; i++) {
      const client = await openBare(place, randomBytes(33).toString("hex"));
      client.on("message", () => {});
      kept.push(client);
    }
  }
}
