import type { Router } from "../../src/index.js";
import { library } from "../library.js";
import type { Place } from "./bare.js";
import { makeRouter, untilOpen } from "./peers.js";

/** The router that owns the connections, and those over it. */
let routers: Router[] = [];

/** A router that listens on all of these brokers. */
export async function startHome(brokers: readonly Place[]): Promise<void> {
  const home = await makeRouter({ brokers });
  routers = [home];
  await home.start();
  await untilOpen(home, brokers.length);
}

/** So many more addresses on its connections, each listening on all brokers. @returns how long that took, ms */
export async function startOver(count: number, brokers: number): Promise<number> {
  const [home] = routers;
  const startedAt = performance.now();
  const more = Array.from(
    { length: count },
    () =>
      new library.Router(library.Keypair.generate(), { over: home, getTime: Date.now, onMessage: () => {} }),
  );
  routers.push(...more);
  await Promise.all(
    more.map(async (router) => {
      await router.start();
      await untilOpen(router, brokers);
    }),
  );
  return performance.now() - startedAt;
}

/** How many connections this process has. */
export function connections(): number {
  return process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;
}

/** How long the first message of the nth address takes to a peer, from asking for the pipe to the ACK, ms. */
export async function sendFirst(nth: number, to: string): Promise<number> {
  const startedAt = performance.now();
  const pipe = await routers[nth]?.pipe(to);
  await pipe?.deliver("first");
  return performance.now() - startedAt;
}

/** Closes all of them. */
export async function closeHome(): Promise<void> {
  await routers[0]?.close();
  routers = [];
}
