import { NEVER } from "../base/alarm.js";
import { BoundedMap } from "../base/bounded-map.js";
import { Heap } from "../base/heap.js";

/**
 * Pauses between the publishes of a message on the brokers already used, until its time is over; the last one goes
 * on. QoS 0 may lose, a receiver may be away for a while. The first is shorter than a receiver waits at a gap
 * (1000 ms), so that a message that was lost once still has its place.
 */
export const REPEAT_PAUSES_MS: readonly number[] = [
  900, 1100, 2000, 3000, 4000, 6000, 9000, 13_000, 20_000, 30_000,
];

/**
 * The share of its own pause after which a message goes along with another one to the same peer. What comes together
 * can be put in order: by the receiver, whose patience at gaps is short, or for one that acknowledges as the Python
 * original does, by us.
 */
const GOES_ALONG_AFTER = 0.4;

/** A peer that was silent for so long and answers was away: what waits for it need not wait any longer. */
const AWAY_MS = 2000;

/** For how many messages it is remembered that they were in. */
const DONE_KEPT = 1024;

/** Of how many peers it is remembered when they answered last. */
const PEERS_KEPT = 1024;

/** What is to be done about a message that has no ACK yet. */
export type OutboxAction = "widen" | "repeat" | "expire";

/** Which message of whose queue: what tells it from all others of its sender. */
export interface Place {
  /** 64 hex characters. */
  readonly queueId: string;
  readonly sequence: number;
}

/** How one message is to be treated. */
export interface OutboxPlan extends Place {
  /** The destination. */
  readonly to: string;
  /**
   * Whether what comes due together is done in descending order, which the Python original needs: a message of a
   * queue makes it forget the ACKs that it still owes for those before.
   */
  readonly newestFirst: boolean;
  /** Until the next brokers join in, ms. */
  readonly widenAfterMs: number;
  /** No repeat comes sooner after a publish than this, ms: the answer cannot be there. */
  readonly answerMs: number;
  /** Until it is given up, ms. */
  readonly timeoutMs: number;
  /** How much later it is given up at most because its bytes were still leaving, ms. */
  readonly leavingMs: number;
}

interface Entry<T> {
  readonly item: T;
  readonly plan: OutboxPlan;
  /** Counts up. */
  readonly number: number;
  expireAt: number;
  /** It is given up then, whatever still leaves. */
  readonly latestAt: number;
  widenAt: number;
  isRepeated: boolean;
  /** How many of the pauses are over. */
  repeats: number;
  /** The one that goes on now, and when it ends. */
  pauseMs: number;
  repeatAt: number;
}

/** What waits for one peer. */
interface Waiting<T> {
  /** In the order in which there is something to do about them. */
  readonly entries: Heap<Entry<T>>;
  /** The longest pause of any that waited so far, ms. */
  longestMs: number;
  /** Whether any of them was to go newest first. */
  newestFirst: boolean;
}

/**
 * The messages that wait for an ACK, and when each is to be widened, repeated or given up. Times are monotonic
 * milliseconds.
 *
 * An ACK is told from others by who signed it, queue id and sequence number: {@link keyOf}.
 */
export class Outbox<T> {
  readonly #entries = new Map<string, Entry<T>>();
  /** By destination. */
  readonly #waiting = new Map<string, Waiting<T>>();
  /** The destinations, in the order in which there is something to do for them. */
  readonly #destinations = new Heap<string>();
  readonly #done = new BoundedMap<string, true>(DONE_KEPT);
  /** When each peer answered last. */
  readonly #heardAt = new BoundedMap<string, number>(PEERS_KEPT);
  #number = 0;

  /** How many messages wait. */
  get size(): number {
    return this.#entries.size;
  }

  /** What tells one message from all others: its destination, queue id and sequence number. */
  static keyOf(destination: string, queueId: string, sequence: number): string {
    return `${destination}${queueId}${sequence}`;
  }

  /** @returns when {@link due} has to be called for this message at the latest */
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
   * A message's times count from now on: so far its bytes were leaving.
   * @returns when {@link due} has to be called for it, or Infinity
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

  /** Whether this was in not long ago: an ACK for it is late, and nothing to wonder at. */
  isDone(key: string): boolean {
    return this.#done.has(key);
  }

  /** Takes a message out, because it was acknowledged or given up; undefined if it was not in. */
  take(key: string): T | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    this.#entries.delete(key);
    this.#forget(entry);
    this.#done.set(key, true);
    return entry.item;
  }

  /** Everything that waits. */
  items(): T[] {
    return [...this.#entries.values()].map(({ item }) => item);
  }

  /**
   * A peer has answered. If it was away, what waits for it is repeated as soon as it may be.
   * @param forgetsBefore - for the Python original, what it answered: it owes no ACK any more for what came before
   * that in the same queue, which is repeated at once
   * @returns when {@link due} has to be called because of that, or Infinity
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
   * What is due by now, at most one action a message and kind, in the order in which it is to be done; an expired
   * message is taken out.
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
      // Later than that nothing goes along.
      const mayGoAlong = repeats || (widens && waiting.newestFirst);
      const aheadMs = mayGoAlong ? (1 - GOES_ALONG_AFTER) * waiting.longestMs : 0;
      for (const entry of waiting.entries.upTo(now + aheadMs)) {
        if (repeats && goesAlong(entry.repeatAt, entry.pauseMs, now)) {
          // A pause that was slept through is not made up for.
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
      // Before others join in, which need no repeat.
      ...asActions(repeated.sort(byTurn), "repeat"),
      ...asActions(widened.sort(byTurn), "widen"),
    ];
  }

  /** When {@link due} has something to do next, or Infinity. */
  nextAt(): number {
    return this.#destinations.firstAt;
  }

  /** Puts a message where it belongs by its times; returns when there is something to do about it. */
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

/** Whether something that is due then may be done now, because something of its kind is. */
function goesAlong(at: number, pauseMs: number, now: number): boolean {
  return now >= at - (1 - GOES_ALONG_AFTER) * pauseMs;
}

function isBefore(a: Place, b: Place): boolean {
  return a.queueId === b.queueId && a.sequence < b.sequence;
}

function byNumber(a: Entry<unknown>, b: Entry<unknown>): number {
  return a.number - b.number;
}

/** Ascending by sequence number, except where the newest has to come first. */
function byTurn(a: Entry<unknown>, b: Entry<unknown>): number {
  return turnOf(a.plan) - turnOf(b.plan) || byNumber(a, b);
}

function turnOf({ newestFirst, sequence }: OutboxPlan): number {
  return newestFirst ? -sequence : sequence;
}

/** From a publish to the next one. */
function pauseOf({ answerMs }: OutboxPlan, repeats: number): number {
  return Math.max(answerMs, REPEAT_PAUSES_MS[Math.min(repeats, REPEAT_PAUSES_MS.length - 1)] ?? 0);
}
