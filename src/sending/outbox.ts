import { NEVER } from "../base/alarm.js";
import { BoundedMap } from "../base/bounded-map.js";

/**
 * Pauses before a message is published again on the brokers already used: QoS 0 may lose. The first is
 * shorter than a receiver waits at a gap (1000 ms), so that a message that was lost once still has its place.
 */
export const REPEAT_AFTER_MS: readonly number[] = [900, 2000];

/** For how many messages it is remembered that they were in. */
const DONE_KEPT = 1024;

/** What is to be done about a message that has no ACK yet. */
export type OutboxAction = "widen" | "repeat" | "expire";

/** When to do what for one message; monotonic milliseconds. */
export interface OutboxTimes {
  /** Until the next brokers join in. */
  readonly widenAfterMs: number;
  /** Until it is given up. */
  readonly timeoutMs: number;
}

interface Entry<T> {
  readonly item: T;
  readonly startedAt: number;
  readonly widenAfterMs: number;
  readonly expireAt: number;
  widenAt: number;
  repeats: number;
}

/**
 * The messages that wait for an ACK, and when each is to be widened, repeated or given up.
 *
 * An ACK is told from others by who signed it, queue id and sequence number: {@link keyOf}.
 */
export class Outbox<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #done = new BoundedMap<string, true>(DONE_KEPT);

  /** How many messages wait. */
  get size(): number {
    return this.#entries.size;
  }

  /** What tells one message from all others: its destination, queue id and sequence number. */
  static keyOf(destination: string, queueId: string, sequence: number): string {
    return `${destination}${queueId}${sequence}`;
  }

  /** @returns when {@link due} has to be called for this message at the latest */
  add(key: string, item: T, times: OutboxTimes, now: number): number {
    const entry: Entry<T> = {
      item,
      startedAt: now,
      widenAfterMs: times.widenAfterMs,
      widenAt: now + times.widenAfterMs,
      expireAt: now + times.timeoutMs,
      repeats: 0,
    };
    this.#entries.set(key, entry);
    return nextOf(entry);
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.item;
  }

  /** Whether this was in not long ago: an ACK for it is late, and nothing to wonder at. */
  isDone(key: string): boolean {
    return this.#done.has(key);
  }

  /** Takes a message out, because it was acknowledged or given up; undefined if it was not in. */
  take(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (this.#entries.delete(key)) this.#done.set(key, true);
    return entry?.item;
  }

  /** Everything that waits. */
  items(): T[] {
    return [...this.#entries.values()].map(({ item }) => item);
  }

  /** What is due by now, at most one action a message and kind; an expired message is taken out. */
  due(now: number): { readonly item: T; readonly action: OutboxAction }[] {
    const actions: { item: T; action: OutboxAction }[] = [];
    for (const [key, entry] of this.#entries) {
      const { item } = entry;
      if (entry.expireAt <= now) {
        this.take(key);
        actions.push({ item, action: "expire" });
        continue;
      }
      if (repeatAt(entry) <= now) {
        // A pause that was slept through is not made up for.
        while (repeatAt(entry) <= now) entry.repeats++;
        actions.push({ item, action: "repeat" });
      }
      if (entry.widenAt <= now) {
        entry.widenAt = now + entry.widenAfterMs;
        actions.push({ item, action: "widen" });
      }
    }
    return actions;
  }

  /** When {@link due} has something to do next, or Infinity. */
  nextAt(): number {
    return Math.min(NEVER, ...Array.from(this.#entries.values(), nextOf));
  }
}

function repeatAt(entry: Entry<unknown>): number {
  return entry.startedAt + (REPEAT_AFTER_MS[entry.repeats] ?? NEVER);
}

function nextOf(entry: Entry<unknown>): number {
  return Math.min(entry.widenAt, repeatAt(entry), entry.expireAt);
}
