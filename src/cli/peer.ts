import { createHash } from "node:crypto";
import { join } from "node:path";
import { type BrokerPool, type Identity, Router, type RouterOptions } from "sidewire";
import { FileHintStore } from "sidewire/node";
import type { Context } from "./context.js";
import { folders } from "./files.js";
import { People } from "./people.js";
import { count } from "./printable.js";

/** The maximum length of a message, sent or received, in bytes: the library's default, which public brokers accept. */
export const MAX_MESSAGE_BYTES: number = 60 * 1024;

/** The pause between two warnings about clocks, in ms. Otherwise strangers could fill the screen with warnings. */
const TELL_SKEW_EVERY_MS = 10_000;

/** The options of a command's peer, besides those of the command line. */
export interface PeerOptions {
  readonly identity: Identity;
  readonly brokers: BrokerPool;
  /** Decides from whom the peer accepts messages. An accepted message is acknowledged, so the command must show it. */
  readonly accept: (from: string) => boolean;
  /** The contacts. */
  readonly people?: People;
  readonly router?: Partial<RouterOptions>;
}

/** Does some work with a router, and closes the router afterwards. After an interrupt the router is closed at once. */
export async function withPeer<T>(
  context: Context,
  { identity, brokers, accept, people = new People(), router: more = {} }: PeerOptions,
  work: (router: Router) => Promise<T>,
): Promise<T> {
  const router = new Router(identity, {
    getTime: Date.now,
    brokers,
    accept,
    maxMessageBytes: MAX_MESSAGE_BYTES,
    hintStore: new FileHintStore(hintFile(brokers)),
    ...more,
  });
  let toldAt = Number.NEGATIVE_INFINITY;
  router.on("skew", ({ from, offsetMs }) => {
    // One pause for all peers: a stranger could use many keys, because keys cost nothing.
    if (performance.now() - toldAt < TELL_SKEW_EVERY_MS) return;
    toldAt = performance.now();
    const direction = offsetMs > 0 ? "ahead of" : "behind";
    const seconds = Math.round(Math.abs(offsetMs) / 1000);
    const message = `the clock of ${people.short(from)} is ${seconds} s ${direction} this one: see sidewire doctor`;
    context.output.warn("SKEW", message, { from, offsetMs });
  });
  try {
    return await work(router);
  } finally {
    await router.close({ signal: context.signal });
  }
}

/** Waits for the first broker. @throws NoBrokerError, AbortError */
export async function startPeer(
  { options, output, signal }: Context,
  router: Router,
  brokers: BrokerPool,
): Promise<void> {
  const hosts = new Set([brokers.IPv4, brokers.IPv6].flatMap((family) => Object.keys(family ?? {})));
  const { timeout } = options;
  await output.waiting(`connecting to ${count(hosts.size, "broker")}`, () =>
    router.start({ signal, ...(timeout === undefined ? {} : { timeoutMs: timeout }) }),
  );
}

/** How long to wait for an answer: the option of the command line, or the library's default. */
export function waitOptions({ options, signal }: Context): { signal: AbortSignal; timeoutMs?: number } {
  return { signal, ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }) };
}

/**
 * The hint file of a pool. Each pool has its own file, because the brokers where a peer was found in one pool say
 * nothing about another pool.
 */
function hintFile(brokers: BrokerPool): string {
  const name = createHash("sha256").update(JSON.stringify(brokers)).digest("hex").slice(0, 12);
  return join(folders.cache, `hints-${name}.json`);
}
