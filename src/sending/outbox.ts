import { NEVER } from "../base/alarm.js";
import { BoundedMap } from "../base/bounded-map.js";

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

interface Entry<T> extends OutboxPlan {
  readonly item: T;
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

/**
 * The messages that wait for an ACK, and when each is to be widened, repeated or given up. Times are monotonic
 * milliseconds.
 *
 * An ACK is told from others by who signed it, queue id and sequence number: {@link keyOf}.
 */
export class Outbox<T> {
  readonly #entries = new Map<string, Entry<T>>();
  readonly #done = new BoundedMap<string, true>(DONE_KEPT);
  /** When each peer answered last. */
  readonly #heardAt = new BoundedMap<string, number>(PEERS_KEPT);

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
    const entry: Entry<T> = {
      ...plan,
      item,
      widenAt: now + plan.widenAfterMs,
      expireAt: now + plan.timeoutMs,
      isRepeated: false,
      latestAt: now + plan.timeoutMs + plan.leavingMs,
      repeats: 0,
      pauseMs: pauseOf(plan, 0),
      repeatAt: now + pauseOf(plan, 0),
    };
    this.#entries.set(Outbox.keyOf(plan.to, plan.queueId, plan.sequence), entry);
    return nextOf(entry);
  }

  /**
   * A message's times count from now on: so far its bytes were leaving.
   * @returns when {@link due} has to be called for it, or Infinity
   */
  restart(key: string, now: number): number {
    const entry = this.#entries.get(key);
    if (entry === undefined) return NEVER;
    entry.widenAt = now + entry.widenAfterMs;
    entry.repeatAt = now + entry.pauseMs;
    entry.expireAt = Math.min(now + entry.timeoutMs, entry.latestAt);
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
    for (const entry of this.#entries.values()) {
      if (entry.to !== from) continue;
      if (wasAway) {
        const pauseMs = pauseOf(entry, 0);
        entry.repeatAt += pauseMs - entry.pauseMs;
        entry.pauseMs = pauseMs;
        entry.repeats = 0;
      }
      if (!entry.isRepeated && forgetsBefore && isBefore(entry, forgetsBefore)) entry.repeatAt = now;
      next = Math.min(next, nextOf(entry));
    }
    return next;
  }

  /**
   * What is due by now, at most one action a message and kind, in the order in which it is to be done; an expired
   * message is taken out.
   */
  due(now: number): { readonly item: T; readonly action: OutboxAction }[] {
    const expired: Entry<T>[] = [];
    /** To whom something is due. */
    const repeating = new Set<string>();
    const widening = new Set<string>();
    for (const [key, entry] of this.#entries) {
      if (entry.expireAt <= now) {
        this.take(key);
        expired.push(entry);
        continue;
      }
      if (entry.repeatAt <= now) repeating.add(entry.to);
      if (entry.widenAt <= now) widening.add(entry.to);
    }
    const repeated: Entry<T>[] = [];
    const widened: Entry<T>[] = [];
    if (repeating.size > 0 || widening.size > 0) {
      for (const entry of this.#entries.values()) {
        if (repeating.has(entry.to) && goesAlong(entry.repeatAt, entry.pauseMs, now)) {
          // A pause that was slept through is not made up for.
          entry.isRepeated = true;
          entry.repeats++;
          entry.pauseMs = pauseOf(entry, entry.repeats);
          entry.repeatAt = now + entry.pauseMs;
          repeated.push(entry);
        }
        const { widenAt, widenAfterMs, newestFirst } = entry;
        const widensToo = newestFirst ? goesAlong(widenAt, widenAfterMs, now) : widenAt <= now;
        if (widening.has(entry.to) && widensToo) {
          entry.widenAt = now + widenAfterMs;
          widened.push(entry);
        }
      }
    }
    return [
      ...asActions(expired, "expire"),
      // Before others join in, which need no repeat.
      ...asActions(repeated.sort(byTurn), "repeat"),
      ...asActions(widened.sort(byTurn), "widen"),
    ];
  }

  /** When {@link due} has something to do next, or Infinity. */
  nextAt(): number {
    let next = NEVER;
    for (const entry of this.#entries.values()) next = Math.min(next, nextOf(entry));
    return next;
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

/** Ascending by number, except where the newest has to come first. */
function byTurn(a: OutboxPlan, b: OutboxPlan): number {
  return turnOf(a) - turnOf(b);
}

function turnOf({ newestFirst, sequence }: OutboxPlan): number {
  return newestFirst ? -sequence : sequence;
}

/** From a publish to the next one. */
function pauseOf({ answerMs }: OutboxPlan, repeats: number): number {
  return Math.max(answerMs, REPEAT_PAUSES_MS[Math.min(repeats, REPEAT_PAUSES_MS.length - 1)] ?? 0);
}

function nextOf({ widenAt, repeatAt, expireAt }: Entry<unknown>): number {
  return Math.min(widenAt, repeatAt, expireAt);
}
