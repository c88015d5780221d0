import { monotonicNow, NEVER } from "./base/alarm.js";
import { BoundedMap } from "./base/bounded-map.js";
import type { Emitter, Listener } from "./base/emitter.js";
import { SidewireError } from "./base/errors.js";
import { callGuarded } from "./base/guarded.js";
import type { Lifecycle } from "./base/lifecycle.js";
import type { LinkSlot } from "./brokers/link-slot.js";
import type { BrokerEvent, RouterEvents } from "./events.js";
import type { InboundMessage } from "./message.js";
import type { Drop, DropReason } from "./receiving/receiver.js";
import { addressOf } from "./wire/broker-pool.js";

/** The pause between two `skew` events of one peer, ms. */
const SKEW_PAUSE_MS = 60_000;

/** Peers whose last `skew` event is remembered. */
const SKEW_PEERS = 1000;

/** The pause between two reports of one function that may fail with every packet, ms. */
const FAILURE_PAUSE_MS = 10_000;

/** What the receiver saw so far. */
export interface Counts {
  received: number;
  duplicates: number;
  readonly dropped: Partial<Record<DropReason, number>>;
}

/** Tells the application what happens: counts it, and emits the router's events, none of which can end the caller. */
export class Reporter {
  readonly counts: Counts = { received: 0, duplicates: 0, dropped: {} };
  readonly #emitter: Emitter<RouterEvents>;
  readonly #lifecycle: Lifecycle;
  readonly #skewTold = new BoundedMap<string, number>(SKEW_PEERS);
  readonly #failureTold = new Map<string, number>();
  /** Changes of brokers that are to be told. */
  readonly #untold: BrokerEvent[] = [];

  constructor(emitter: Emitter<RouterEvents>, lifecycle: Lifecycle) {
    this.#emitter = emitter;
    this.#lifecycle = lifecycle;
  }

  received(): void {
    this.counts.received++;
  }

  duplicate(): void {
    this.counts.duplicates++;
  }

  dropped({ reason, slot, from, ageMs }: Drop): void {
    const { dropped } = this.counts;
    dropped[reason] = (dropped[reason] ?? 0) + 1;
    if (this.#emitter.listenerCount("dropped") === 0) return;
    this.#emitter.emit("dropped", { reason, broker: addressOf(slot.broker), from, ageMs });
  }

  skew(from: string, offsetMs: number): void {
    const now = monotonicNow();
    const told = this.#skewTold.get(from);
    if (told !== undefined && now - told < SKEW_PAUSE_MS) return;
    this.#skewTold.set(from, now);
    this.#emitter.emit("skew", { from, offsetMs });
  }

  /**
   * Tells of a broker's changes in their order.
   * @param conclude - draws the conclusions from a change, before the application is told of it
   */
  brokerChanged({ broker, state, lastError }: LinkSlot, conclude: () => void): void {
    const error = state === "waiting" ? lastError : undefined;
    const count = this.#untold.push({ broker: addressOf(broker), state, error });
    // What follows from a change is a change in its turn, and is told after it.
    if (count > 1) return;
    for (const event of this.#untold) {
      conclude();
      this.#emitter.emit("broker", event);
    }
    this.#untold.length = 0;
  }

  /** What one of the application's functions threw or rejected with. */
  failed(error: unknown, message: InboundMessage | undefined, name = "a handler"): void {
    // A handler that was still replying when its own router was closed has not failed.
    if (!this.#lifecycle.isRunning && error instanceof SidewireError && error.code === "CLOSED") return;
    if (!this.#emitter.emit("handlerError", { error, message }))
      console.error(`sidewire: ${name} failed:`, error);
  }

  /**
   * As {@link failed}, of a function that is called for every packet: told now and then, as strangers can send many.
   * @param name - of the option
   */
  failedAgain(name: string, error: unknown): void {
    const now = monotonicNow();
    if (now - (this.#failureTold.get(name) ?? -NEVER) < FAILURE_PAUSE_MS) return;
    this.#failureTold.set(name, now);
    this.failed(error, undefined, name);
  }

  /** Calls a listener of any event but `message`: none of them can end who emits it. */
  call(event: keyof RouterEvents, listener: Listener, args: readonly unknown[]): void {
    void callGuarded(
      () => listener.call(args),
      (error) => {
        // Nobody is told by those who failed to be told.
        if (event === "handlerError") console.error("sidewire: a listener of handlerError failed:", error);
        else this.failed(error, undefined);
      },
    );
  }
}
