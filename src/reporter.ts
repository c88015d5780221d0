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

/** The pause between two `skew` events of one peer, in ms. */
const SKEW_PAUSE_MS = 60_000;

/** The number of peers whose last `skew` event is remembered. */
const SKEW_PEERS = 1000;

/** The pause between two reports of one function that may fail for every packet, in ms. */
const FAILURE_PAUSE_MS = 10_000;

/** The receiver's counters. */
export interface Counts {
  received: number;
  duplicates: number;
  readonly dropped: Partial<Record<DropReason, number>>;
}

/**
 * Reports to the application: counts what happens, and emits the router's events. No listener can make the caller fail.
 */
export class Reporter {
  readonly counts: Counts = { received: 0, duplicates: 0, dropped: {} };
  readonly #emitter: Emitter<RouterEvents>;
  readonly #lifecycle: Lifecycle;
  readonly #skewTold = new BoundedMap<string, number>(SKEW_PEERS);
  readonly #failureTold = new Map<string, number>();
  /** Changes of brokers that were not reported yet. */
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
   * Reports the changes of a broker in their order.
   * @param conclude - acts on a change, before the change is reported to the application
   */
  brokerChanged({ broker, state, lastError }: LinkSlot, conclude: () => void): void {
    const error = state === "waiting" ? lastError : undefined;
    const count = this.#untold.push({ broker: addressOf(broker), state, error });
    // `conclude` may cause further changes. They are reported after this one.
    if (count > 1) return;
    for (const event of this.#untold) {
      conclude();
      this.#emitter.emit("broker", event);
    }
    this.#untold.length = 0;
  }

  /** Reports an error that one of the application's functions threw or rejected with. */
  failed(error: unknown, message: InboundMessage | undefined, name = "a handler"): void {
    // A handler that was still replying when its own router was closed has not failed.
    if (!this.#lifecycle.isRunning && error instanceof SidewireError && error.code === "CLOSED") return;
    if (!this.#emitter.emit("handlerError", { error, message }))
      console.error(`sidewire: ${name} failed:`, error);
  }

  /**
   * The same as {@link failed}, for a function that is called for every packet. Such errors are reported at intervals,
   * because strangers can send many packets.
   * @param name - the name of the option
   */
  failedAgain(name: string, error: unknown): void {
    const now = monotonicNow();
    if (now - (this.#failureTold.get(name) ?? -NEVER) < FAILURE_PAUSE_MS) return;
    this.#failureTold.set(name, now);
    this.failed(error, undefined, name);
  }

  /** Calls a listener of any event except `message`. A listener that fails cannot make the emitting code fail. */
  call(event: keyof RouterEvents, listener: Listener, args: readonly unknown[]): void {
    void callGuarded(
      () => listener.call(args),
      (error) => {
        // A failed listener of `handlerError` must not be reported by the same event.
        if (event === "handlerError") console.error("sidewire: a listener of handlerError failed:", error);
        else this.failed(error, undefined);
      },
    );
  }
}
