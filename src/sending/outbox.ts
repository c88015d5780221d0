import { NEVER } from "../base/alarm.js";
import { BoundedMap } from "../base/bounded-map.js";
import { Heap } from "../base/heap.js";

/**
 * The pauses between the publishes of a message on the same brokers, in ms. The last pause is repeated until the
 * message's time is over. Repeats are needed because messages at QoS 0 may get lost, and a receiver may be away for a
 * while. The first pause is shorter than a receiver waits at a gap (1000 ms), so that a message that was lost once
 * still comes in order.
 */
export const REPEAT_PAUSES_MS: readonly number[] = [
  900, 1100, 2000, 3000, 4000, 6000, 9000, 13_000, 20_000, 30_000,
];

/**
 * When one message is repeated, other messages to the same peer are repeated together with it, if this share of their
 * own pause is over. Messages that come together can be put in order. A receiver does that within its short wait at
 * gaps. For a peer that acknowledges like the Python original, this side does it.
 */
const GOES_ALONG_AFTER = 0.4;

/**
 * A peer that answers after so long a silence was away, in ms. Messages that wait for the peer are then repeated at
 * once.
 */
const AWAY_MS = 2000;

/** The number of finished messages that are remembered. */
const DONE_KEPT = 1024;

/** The number of peers whose latest answer is remembered. */
const PEERS_KEPT = 1024;

/** The action that is due for a message without an ACK. */
export type OutboxAction = "widen" | "repeat" | "expire";

/** The queue and number of a message. They identify the message among all messages of its sender. */
export interface Place {
  /** The id of the queue: 64 hex characters. */
  readonly queueId: string;
  readonly sequence: number;
}

/** How one message is to be sent. */
export interface OutboxPlan extends Place {
  /** The destination's address. */
  readonly to: string;
  /**
   * Whether actions that are due together are done in descending order. The Python original needs this order: a message
   * makes it forget the ACKs that it still has to send for earlier messages of the queue.
   */
  readonly newestFirst: boolean;
  /** How long to wait until the next brokers join, in ms. */
  readonly widenAfterMs: number;
  /** The shortest time between a publish and a repeat, in ms. Before that, an ACK cannot have come. */
  readonly answerMs: number;
  /** How long to wait until the message is given up, in ms. */
  readonly timeoutMs: number;
  /** How much later the message may be given up, because its bytes were still leaving, in ms. */
  readonly leavingMs: number;
}

interface Entry<T> {
  readonly item: T;
  readonly plan: OutboxPlan;
  /** A running number for each added message. */
  readonly number: number;
  expireAt: number;
  /** The message is given up at this time, even if its bytes are still leaving. */
  readonly latestAt: number;
  widenAt: number;
  isRepeated: boolean;
  /** The number of pauses that are over. */
  repeats: number;
  /** The current pause, and the time when it ends. */
  pauseMs: number;
  repeatAt: number;
}

/** The messages that wait for one peer. */
interface Waiting<T> {
  /** In the order of their next actions. */
  readonly entries: Heap<Entry<T>>;
  /** The longest pause of any message that has waited so far, in ms. */
  longestMs: number;
  /** Whether the newest message goes first for any of these messages. */
  newestFirst: boolean;
}

/**
 * The messages that wait for an ACK. The outbox decides when each message is widened, repeated or given up. All times
 * are monotonic milliseconds.
 *
 * An ACK belongs to the message with the same destination, queue id and sequence number: {@link keyOf}.
 */
export class Outbox<T> {
  readonly #entries = new Map<string, Entry<T>>();
  /** The waiting messages, by destination. */
  readonly #waiting = new Map<string, Waiting<T>>();
  /** The destinations in the order of their next actions. */
  readonly #destinations = new Heap<string>();
  readonly #done = new BoundedMap<string, true>(DONE_KEPT);
  /** When each peer last answered. */
  readonly #heardAt = new BoundedMap<string, number>(PEERS_KEPT);
  #number = 0;

  /** The number of waiting messages. */
  get size(): number {
    return this.#entries.size;
  }

  /** The key of a message: its destination, queue id and sequence number. */
  static keyOf(destination: string, queueId: string, sequence: number): string {
    return `${destination}${queueId}${sequence}`;
  }

  /** @returns when {@link due} must be called for this message, at the latest */
  add(item: T, plan: OutboxPlan, now: number): number {
    const pauseMs = pauseOf(plan, 0);
    const entry: Entry<T> = {
      item,
      plan,
      number: this.#number++,
      widenAt: now + plan.widenAfterMs,
      expireAt: now + plan.timeoutMs,
      latestAt: now + plan.timeoutMs + plan.leavingMs,
      isRepeated: false,
      repeats: 0,
      pauseMs,
      repeatAt: now + pauseMs,
    };
    const key = Outbox.keyOf(plan.to, plan.queueId, plan.sequence);
    this.take(key);
    this.#entries.set(key, entry);
    return this.#schedule(entry);
  }

  /**
   * Starts the message's times again from now, because its bytes were leaving until now.
   * @returns when {@link due} must be called for the message, or Infinity
   */
  restart(key: string, now: number): number {
    const entry = this.#entries.get(key);
    if (entry === undefined) return NEVER;
    entry.widenAt = now + entry.plan.widenAfterMs;
    entry.repeatAt = now + entry.pauseMs;
    entry.expireAt = Math.min(now + entry.plan.timeoutMs, entry.latestAt);
    return this.#schedule(entry);
  }

  has(key: string): boolean {
    return this.#entries.has(key);
  }

  get(key: string): T | undefined {
    return this.#entries.get(key)?.item;
  }

  /** Whether a message was in the outbox a short time ago. An ACK for such a message is late but normal. */
  isDone(key: string): boolean {
    return this.#done.has(key);
  }

  /**
   * Removes a message, because it was acknowledged or given up. Returns undefined when the message was not in the
   * outbox.
   */
  take(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#forget(entry);
    this.#done.set(key, true);
    return entry.item;
  }

  /** All waiting messages. */
  items(): T[] {
    return [...this.#entries.values()].map(({ item }) => item);
  }

  /**
   * Must be called when a peer has answered. If the peer was away, its messages are repeated as soon as possible.
   * @param forgetsBefore - for a Python original: the message that it has acknowledged. It sends no more ACKs for
   * earlier messages of the same queue, so those are repeated at once
   * @returns when {@link due} must be called because of that, or Infinity
   */
  heard(from: string, now: number, forgetsBefore?: Place): number {
    const wasAway = now - (this.#heardAt.get(from) ?? -NEVER) >= AWAY_MS;
    this.#heardAt.set(from, now);
    let next = NEVER;
    if (!wasAway && !forgetsBefore?.sequence) return next;
    for (const entry of [...(this.#waiting.get(from)?.entries.items() ?? [])]) {
      if (wasAway) {
        const pauseMs = pauseOf(entry.plan, 0);
        entry.repeatAt += pauseMs - entry.pauseMs;
        entry.pauseMs = pauseMs;
        entry.repeats = 0;
      }
      if (!entry.isRepeated && forgetsBefore && isBefore(entry.plan, forgetsBefore)) entry.repeatAt = now;
      next = Math.min(next, this.#schedule(entry));
    }
    return next;
  }

  /**
   * The actions that are due now, in the order in which they must be done. Each message has at most one action of each
   * kind. An expired message is removed.
   */
  due(now: number): { readonly item: T; readonly action: OutboxAction }[] {
    const expired: Entry<T>[] = [];
    const repeated: Entry<T>[] = [];
    const widened: Entry<T>[] = [];
    for (const to of this.#destinations.upTo(now)) {
      const waiting = this.#waiting.get(to);
      if (waiting === undefined) continue;
      let repeats = false;
      let widens = false;
      for (const entry of waiting.entries.upTo(now)) {
        if (entry.expireAt <= now) {
          this.take(Outbox.keyOf(to, entry.plan.queueId, entry.plan.sequence));
          expired.push(entry);
          continue;
        }
        repeats ||= entry.repeatAt <= now;
        widens ||= entry.widenAt <= now;
      }
      // Messages that are due later than this do not go along.
      const mayGoAlong = repeats || (widens && waiting.newestFirst);
      const aheadMs = mayGoAlong ? (1 - GOES_ALONG_AFTER) * waiting.longestMs : 0;
      for (const entry of waiting.entries.upTo(now + aheadMs)) {
        if (repeats && goesAlong(entry.repeatAt, entry.pauseMs, now)) {
          // Pauses that passed during sleep are not made up for.
          entry.isRepeated = true;
          entry.repeats++;
          entry.pauseMs = pauseOf(entry.plan, entry.repeats);
          entry.repeatAt = now + entry.pauseMs;
          repeated.push(entry);
        }
        const { widenAfterMs, newestFirst } = entry.plan;
        const widensToo = newestFirst ? goesAlong(entry.widenAt, widenAfterMs, now) : entry.widenAt <= now;
        if (widens && widensToo) {
          entry.widenAt = now + widenAfterMs;
          widened.push(entry);
        }
        this.#schedule(entry);
      }
    }
    return [
      ...asActions(expired.sort(byNumber), "expire"),
      // Repeats come before widening: the brokers that join by widening need no repeat.
      ...asActions(repeated.sort(byTurn), "repeat"),
      ...asActions(widened.sort(byTurn), "widen"),
    ];
  }

  /** When {@link due} has something to do next, or Infinity. */
  nextAt(): number {
    return this.#destinations.firstAt;
  }

  /** Sorts a message in by its next action. Returns the time of that action. */
  #schedule(entry: Entry<T>): number {
    const { to, widenAfterMs, newestFirst } = entry.plan;
    const at = Math.min(entry.widenAt, entry.repeatAt, entry.expireAt);
    const waiting = this.#waiting.get(to) ?? { entries: new Heap(), longestMs: 0, newestFirst };
    waiting.longestMs = Math.max(waiting.longestMs, widenAfterMs, entry.pauseMs);
    waiting.newestFirst ||= newestFirst;
    waiting.entries.set(entry, at);
    this.#waiting.set(to, waiting);
    this.#destinations.set(to, waiting.entries.firstAt);
    return at;
  }

  #forget(entry: Entry<T>): void {
    const { to } = entry.plan;
    const waiting = this.#waiting.get(to);
    if (waiting === undefined) return;
    waiting.entries.delete(entry);
    if (waiting.entries.size > 0) {
      this.#destinations.set(to, waiting.entries.firstAt);
      return;
    }
    this.#waiting.delete(to);
    this.#destinations.delete(to);
  }
}

function asActions<T>(
  entries: readonly Entry<T>[],
  action: OutboxAction,
): { readonly item: T; readonly action: OutboxAction }[] {
  return entries.map(({ item }) => ({ item, action }));
}

/** Whether an action of a later time may be done now, because an action of the same kind is due. */
function goesAlong(at: number, pauseMs: number, now: number): boolean {
  return now >= at - (1 - GOES_ALONG_AFTER) * pauseMs;
}

function isBefore(a: Place, b: Place): boolean {
  return a.queueId === b.queueId && a.sequence < b.sequence;
}

function byNumber(a: Entry<unknown>, b: Entry<unknown>): number {
  return a.number - b.number;
}

/** Ascending by sequence number, unless the newest message has to come first. */
function byTurn(a: Entry<unknown>, b: Entry<unknown>): number {
  return turnOf(a.plan) - turnOf(b.plan) || byNumber(a, b);
}

function turnOf({ newestFirst, sequence }: OutboxPlan): number {
  return newestFirst ? -sequence : sequence;
}

/** The pause from a publish to the next one. */
function pauseOf({ answerMs }: OutboxPlan, repeats: number): number {
  return Math.max(answerMs, REPEAT_PAUSES_MS[Math.min(repeats, REPEAT_PAUSES_MS.length - 1)] ?? 0);
}
