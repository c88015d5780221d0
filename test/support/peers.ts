import { onTestFinished } from "vitest";
import {
  type BrokerPool,
  type InboundMessage,
  Keypair,
  Router,
  type RouterOptions,
} from "../../src/index.js";

/** A pool of brokers that the test started. */
export function poolOf(brokers: readonly { readonly host: string; readonly port: number }[]): BrokerPool {
  return { IPv4: Object.fromEntries(brokers.map(({ host, port }) => [host, { port }])) };
}

/** A router that is closed at the end of the test. Not started. */
export function makePeer(brokers: BrokerPool, options: Partial<RouterOptions> = {}): Router {
  const router = new Router(Keypair.generate(), {
    getTime: Date.now,
    brokers,
    families: ["IPv4"],
    ...options,
  });
  onTestFinished(() => router.close({ signal: AbortSignal.abort() }));
  return router;
}

/** A router that listens, and is closed at the end of the test. */
export async function startPeer(brokers: BrokerPool, options: Partial<RouterOptions> = {}): Promise<Router> {
  const router = makePeer(brokers, options);
  await router.start();
  return router;
}

/** The messages that a peer has shown, in order. */
export function record(router: Router): InboundMessage[] {
  const messages: InboundMessage[] = [];
  router.on("message", (message) => messages.push(message));
  return messages;
}

/** Ends something when the test is over. */
export function use<T extends AsyncDisposable>(resource: T): T {
  onTestFinished(() => resource[Symbol.asyncDispose]());
  return resource;
}

/** Resolves when the condition holds, looked at after every event of the router's brokers. */
export async function untilBrokers(router: Router, holds: () => boolean): Promise<void> {
  if (holds()) return;
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (!holds()) return;
      router.off("broker", look);
      resolve();
    };
    router.on("broker", look);
  });
}

/** The value in the middle. */
export function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
}
