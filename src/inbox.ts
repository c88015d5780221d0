import { NEVER } from "./alarm.js";

/** What the inbox says of a message that is offered to it. */
export type InboxVerdict =
  /** It is its turn, or it waits behind a gap: it will be handed over. */
  | "accepted"
  /** Its place has been passed: handing it over now would break the order. */
  | "late"
  /** No room for it now. */
  | "full";

interface Held<T> {
  readonly sequence: number;
  readonly item: T;
  /** When it has waited long enough for those before it. */
  readonly until: number;
}

interface Queue<T> {
  /** The sequence number that comes next; what is below it has been passed. */
  next: number;
  /** Waiting behind a gap, by sequence number. */
  readonly held: Map<number, Held<T>>;
  lastSeen: number;
}

export interface InboxLimits {
  /** How long a message waits for the ones before it, ms. */
  readonly gapTimeoutMs: number;
  /** How many messages may wait in all. */
  readonly maxHeld: number;
  /** How many queues it follows. */
  readonly maxQueues: number;
}

/** A queue that is silent for so long is forgotten: the next message of it waits once as behind a gap. */
const SILENT_MS = 3_600_000;

/** A queue is followed at least this long after its last message: nothing older is fresh any more. */
const FOLLOW_MS = 240_000;

/**
 * Puts the messages of each queue in order. A message behind a gap waits at most `gapTimeoutMs`
 * for those before it; a queue first seen above 0 waits likewise. What comes out of
 * {@link offer}, {@link expire} and {@link flush} is in order, and nothing comes out twice
 * as long as nothing is offered twice.
 *
 * Times are monotonic milliseconds.
 */
export class Inbox<T> {
  readonly #queues = new Map<string, Queue<T>>();
  readonly #limits: InboxLimits;
  #held = 0;

  constructor(limits: InboxLimits) {
    this.#limits = limits;
  }

  /** How many messages wait behind gaps. */
  get held(): number {
    return this.#held;
  }

  /** How many queues it follows. */
  get queues(): number {
    return this.#queues.size;
  }

  /** Whether a message of this queue has come in before. */
  follows(id: string): boolean {
    return this.#queues.has(id);
  }

  /**
   * Whether a message may come in.
   * @param id - source and queue id
   */
  check(id: string, sequence: number, now: number): InboxVerdict {
    const queue = this.#queues.get(id);
    if (!queue && !this.#hasRoomForQueue(now)) return "full";
    const next = queue?.next ?? 0;
    if (sequence < next) return "late";
    return sequence > next && this.#held >= this.#limits.maxHeld ? "full" : "accepted";
  }

  /**
   * Takes a message that {@link check} accepted.
   * @returns what may be handed over now, in order
   */
  offer(id: string, sequence: number, item: T, now: number): T[] {
    const queue = this.#queues.get(id) ?? { next: 0, held: new Map(), lastSeen: now };
    // Re-inserted, so that the map's order is the order of use.
    this.#queues.delete(id);
    this.#queues.set(id, queue);
    queue.lastSeen = now;
    queue.held.set(sequence, { sequence, item, until: now + this.#limits.gapTimeoutMs });
    this.#held++;
    return this.#takeRun(queue);
  }

  /** Hands over what has waited long enough, in order for each queue; gaps before it are given up. */
  expire(now: number): T[] {
    return this.#giveUp((held) => held.until <= now);
  }

  /** Hands over everything that waits, in order for each queue. */
  flush(): T[] {
    return this.#giveUp(() => true);
  }

  /** When {@link expire} has something to do next, or Infinity. */
  nextAt(): number {
    let at = NEVER;
    if (this.#held === 0) return at;
    for (const queue of this.#queues.values()) {
      for (const { until } of queue.held.values()) at = Math.min(at, until);
    }
    return at;
  }

  #giveUp(waitedEnough: (held: Held<T>) => boolean): T[] {
    const out: T[] = [];
    if (this.#held === 0) return out;
    for (const queue of this.#queues.values()) {
      if (queue.held.size === 0) continue;
      const held = [...queue.held.values()].sort((a, b) => a.sequence - b.sequence);
      const last = held.findLastIndex(waitedEnough);
      for (const { sequence, item } of held.slice(0, last + 1)) {
        queue.held.delete(sequence);
        queue.next = sequence + 1;
        out.push(item);
      }
      this.#held -= last + 1;
      out.push(...this.#takeRun(queue));
    }
    return out;
  }

  /** Takes the messages whose turn it is. */
  #takeRun(queue: Queue<T>): T[] {
    const run: T[] = [];
    for (let held = queue.held.get(queue.next); held; held = queue.held.get(queue.next)) {
      queue.held.delete(queue.next);
      this.#held--;
      queue.next++;
      run.push(held.item);
    }
    return run;
  }

  /** Forgets the queues that have been silent for an hour. To be called now and then. */
  purge(now: number): void {
    for (const [id, { held, lastSeen }] of this.#queues) {
      // The map's order is the order of use.
      if (now - lastSeen < SILENT_MS) return;
      if (held.size === 0) this.#queues.delete(id);
    }
  }

  /** Makes room by forgetting the queue unused for longest, unless something of it may still be on its way. */
  #hasRoomForQueue(now: number): boolean {
    if (this.#queues.size < this.#limits.maxQueues) return true;
    const oldest = this.#queues.entries().next().value;
    if (!oldest || oldest[1].held.size > 0 || now - oldest[1].lastSeen < FOLLOW_MS) return false;
    this.#queues.delete(oldest[0]);
    return true;
  }
}
