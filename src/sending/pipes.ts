import { abortable, throwIfAborted } from "../base/abort.js";
import { monotonicNow, NEVER } from "../base/alarm.js";
import type { InboundSet } from "../brokers/inbound-set.js";
import type { SendOptions } from "../message.js";
import { type PipeSettings, parsePipeOptions, parseSendOptions, type Wait } from "../options.js";
import type { Broker } from "../wire/broker-pool.js";
import { bytesOrZero, messageOf } from "./message-bytes.js";
import { PipeCache } from "./pipe-cache.js";
import type { PipeContext } from "./pipe-context.js";
import { interleave } from "./routing-table.js";
import { SmartPipe } from "./smart-pipe.js";

/** How long a pipe waits for the first broker, in ms. */
const CONNECT_PATIENCE_MS = 10_000;

/** Opens the pipes of one router, when a broker for them is connected. Returns cached pipes. */
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
    // No signal here: one caller must not abort the making of a pipe that others share.
    const make = (): Promise<SmartPipe> => this.#open(to, encrypt, hinted, undefined);
    const isSought = routes.peers.isSought(to);
    const taken = this.#cache.take(to, encrypt, expiryMs, monotonicNow(), make, isSought);
    const pipe = await abortable(taken, signal);
    if (hinted.length > 0) pipe.hinted = hinted;
    return pipe;
  }

  /**
   * Sends a reply to the sender of a message.
   * @param broker - the broker by which the message came
   */
  async reply(
    to: string,
    broker: Broker,
    sealed: boolean,
    answer: string | Uint8Array,
    options: SendOptions,
  ): Promise<number> {
    const { lifecycle, settings } = this.#context;
    // These checks come first, before any wait: the router may be closed next.
    const bytes = messageOf(answer, settings);
    const wait = parseSendOptions(options);
    throwIfAborted(wait.signal);
    lifecycle.checkRunning();
    // A peer that can seal can also open.
    const encrypt = sealed || settings.encrypt;
    return await lifecycle.track(this.#reply(to, broker, encrypt, bytes, wait));
  }

  async #reply(
    to: string,
    broker: Broker,
    encrypt: boolean,
    message: Uint8Array,
    wait: Wait,
  ): Promise<number> {
    // The peer was at this broker a moment ago.
    this.#context.routes.found(to, broker);
    const { signal } = wait;
    const pipe = await this.take(to, parsePipeOptions({ useCache: true, signal }, encrypt));
    return await bytesOrZero(pipe.goOn(message, wait));
  }

  /** Must be called when the router is closed. */
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
      // When all brokers of the pool have failed, the error comes at once. With hints, the full time is waited for the
      // hinted brokers.
      const since = hinted.length > 0 ? NEVER : -NEVER;
      await abortable(this.#inbound.firstOpen(since, CONNECT_PATIENCE_MS, isOpen), signal);
    }
    lifecycle.checkNotOver();
    return new SmartPipe(this.#context, to, encrypt, hinted, ranked);
  }
}
