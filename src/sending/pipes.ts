import { abortable } from "../base/abort.js";
import { monotonicNow, NEVER } from "../base/alarm.js";
import type { InboundSet } from "../brokers/inbound-set.js";
import type { PipeSettings } from "../options.js";
import type { Broker } from "../wire/broker-pool.js";
import { PipeCache } from "./pipe-cache.js";
import type { PipeContext } from "./pipe-context.js";
import { interleave } from "./routing-table.js";
import { SmartPipe } from "./smart-pipe.js";

/** How long a pipe waits for the first broker, ms. */
const CONNECT_PATIENCE_MS = 10_000;

/** Opens the pipes of one router, once some broker to send by is connected, or hands out those made before. */
export class Pipes {
  readonly #context: PipeContext;
  readonly #inbound: InboundSet;
  readonly #cache = new PipeCache();

  constructor(context: PipeContext, inbound: InboundSet) {
    this.#context = context;
    this.#inbound = inbound;
  }

  async take(
    to: string,
    { useCache, encrypt, expiryMs, hintBrokers, signal }: PipeSettings,
  ): Promise<SmartPipe> {
    const { routes } = this.#context;
    const hinted = routes.brokersOfHints(hintBrokers);
    if (!useCache) return await this.#open(to, encrypt, hinted, signal);
    // None of those who share it can abort it for the others.
    const make = (): Promise<SmartPipe> => this.#open(to, encrypt, hinted, undefined);
    const isSought = routes.peers.isSought(to);
    const taken = this.#cache.take(to, encrypt, expiryMs, monotonicNow(), make, isSought);
    const pipe = await abortable(taken, signal);
    if (hinted.length > 0) pipe.hinted = hinted;
    return pipe;
  }

  /** The router is closed. */
  clear(): void {
    this.#cache.clear();
  }

  async #open(
    to: string,
    encrypt: boolean,
    hinted: readonly Broker[],
    signal: AbortSignal | undefined,
  ): Promise<SmartPipe> {
    const { lifecycle, links, routes, settings } = this.#context;
    await abortable(routes.recall(to), signal);
    lifecycle.checkNotOver();
    const ranked = interleave(routes.rankings(to));
    const route = [...hinted, ...routes.foundAt(to), ...ranked];
    for (const broker of [...hinted, ...route.slice(0, settings.fanOut)]) links.dial(broker);
    const isOpen = (): boolean => route.some((broker) => links.find(broker).state === "open");
    if (!isOpen()) {
      // A pool that is down says so at once; hinted brokers get their time.
      const since = hinted.length > 0 ? NEVER : -NEVER;
      await abortable(this.#inbound.firstOpen(since, CONNECT_PATIENCE_MS, isOpen), signal);
    }
    lifecycle.checkNotOver();
    return new SmartPipe(this.#context, to, encrypt, hinted, ranked);
  }
}
