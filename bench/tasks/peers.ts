import { randomBytes } from "node:crypto";
import type { BrokerPool, Router, RouterOptions, SmartPipe } from "../../src/index.js";
import { library } from "../library.js";
import type { Place } from "./bare.js";
import { type Crypto, makeSigner } from "./signatures.js";

export interface PeerOptions {
  readonly brokers: readonly Place[];
  readonly crypto?: Crypto;
  readonly fanOut?: number;
}

const routers = new Map<string, Router>();
const pipes = new Map<string, SmartPipe>();

/** A pool of brokers on loopback. */
export function poolOf(brokers: readonly Place[]): BrokerPool {
  return { IPv4: Object.fromEntries(brokers.map(({ host, port }) => [host, { port }])) };
}

/** A router on loopback, not started. */
export async function makeRouter(
  { brokers, crypto = "built-in", fanOut = 3 }: PeerOptions,
  more: Partial<RouterOptions> = {},
): Promise<Router> {
  const { identity, verify } = await makeSigner(crypto);
  return new library.Router(identity, {
    getTime: Date.now,
    brokers: poolOf(brokers),
    families: ["IPv4"],
    fanOut,
    // For the rows of 64 KiB messages.
    maxMessageBytes: 65_536,
    onMessage: () => {},
    ...(crypto === "libsecp256k1" ? { verify } : {}),
    ...more,
  });
}

/** Starts a router and waits until it listens on all its brokers. @returns its address */
export async function listen(name: string, options: PeerOptions): Promise<string> {
  const router = await makeRouter(options);
  routers.set(name, router);
  await router.start();
  await untilOpen(router, options.brokers.length);
  return router.address;
}

/** Resolves once so many brokers are connected. */
export async function untilOpen(router: Router, count: number): Promise<void> {
  const open = (): number => router.stats().brokers.filter(({ state }) => state === "open").length;
  while (open() < count) await new Promise<void>((resolve) => router.once("broker", () => resolve()));
}

/** A pipe from this process's router of that name to a peer. */
export async function dial(name: string, to: string, encrypt: boolean): Promise<void> {
  pipes.set(name, await pick(routers, name).pipe(to, { encrypt }));
}

/** Sends one message after the other: how long from `send` to its ACK, each, in ms. */
export async function sendOneByOne(name: string, count: number, bytes: number): Promise<number[]> {
  const pipe = pick(pipes, name);
  const message = randomBytes(bytes);
  const samples: number[] = [];
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    check(await pipe.send(message), bytes);
    samples.push(performance.now() - startedAt);
  }
  return samples;
}

/** Sends with so many in flight: how long in all, in ms. */
export async function sendMany(
  name: string,
  count: number,
  inFlight: number,
  bytes: number,
): Promise<number> {
  const pipe = pick(pipes, name);
  const message = randomBytes(bytes);
  let left = count;
  const startedAt = performance.now();
  const work = async (): Promise<void> => {
    while (left-- > 0) check(await pipe.send(message), bytes);
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  return performance.now() - startedAt;
}

/** Sends each message in a queue of its own, as Python peers do, with so many in flight. */
export async function sendInQueues(name: string, to: string, count: number, inFlight: number): Promise<void> {
  const router = pick(routers, name);
  let left = count;
  const work = async (): Promise<void> => {
    while (left-- > 0) {
      const pipe = await router.pipe(to);
      check(await pipe.send("0123456789"), 10);
      pipe.close();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
}

function check(acknowledged: number, bytes: number): void {
  if (acknowledged !== bytes) throw new Error(`${acknowledged} of ${bytes} bytes acknowledged`);
}

function pick<T>(map: ReadonlyMap<string, T>, name: string): T {
  const found = map.get(name);
  if (found === undefined) throw new Error(`there is no ${name} here`);
  return found;
}
