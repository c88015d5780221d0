import { createHash } from "node:crypto";
import { join } from "node:path";
import { type BrokerPool, type Identity, Router, type RouterOptions } from "sidewire";
import { FileHintStore } from "sidewire/node";
import type { Context } from "./context.js";
import { folders } from "./files.js";
import { People } from "./people.js";
import { count } from "./printable.js";

/** The longest message, sent or received: the library's default, and what public brokers tolerate. */
export const MAX_MESSAGE_BYTES: number = 60 * 1024;

/** Strangers must not fill the screen with their clocks, ms. */
const TELL_SKEW_EVERY_MS = 10_000;

/** What a command's peer is made of, besides what the command line says. */
export interface PeerOptions {
  readonly identity: Identity;
  readonly brokers: BrokerPool;
  /** From whom it takes messages: what is taken is acknowledged, so it must be shown. */
  readonly accept: (from: string) => boolean;
  /** Those who are known by a name. */
  readonly people?: People;
  readonly router?: Partial<RouterOptions>;
}

/** Runs something with a router, and closes it whatever happens: at once when the command was interrupted. */
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
    // One for each peer is too many where keys cost nothing.
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

/** How long to wait for an answer, as the command line says; as the library does otherwise. */
export function waitOptions({ options, signal }: Context): { signal: AbortSignal; timeoutMs?: number } {
  return { signal, ...(options.timeout === undefined ? {} : { timeoutMs: options.timeout }) };
}

/** A file for each pool: where a peer was found in one says nothing about another. */
function hintFile(brokers: BrokerPool): string {
  const name = createHash("sha256").update(JSON.stringify(brokers)).digest("hex").slice(0, 12);
  return join(folders.cache, `hints-${name}.json`);
}
