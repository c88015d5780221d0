import { NEVER } from "../base/alarm.js";
import { Sweep } from "../base/sweep.js";

/** What the inbox says of a message that is offered to it. */
export type InboxVerdict =
  /** It is its turn, or it waits behind a gap: it will be handed over. */
  | "accepted"
  /** Its place has been passed: handing it over now would break the order. */
  | "late"
  /** No room for it now. */
  | "full";

interface Held<T> {
  readonly queue: Queue<T>;
  readonly sequence: number;
  readonly item: T;
  /** What it counts. */
  readonly bytes: number;
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
  /** How many bytes may wait in all before no more are let in; the last message may go beyond it. */
  readonly maxHeldBytes: number;
  /** How many queues it follows at most; from half as many on, it follows each only as long as it must. */
  readonly maxQueues: number;
}

/** What a message takes beside its bytes, roomily: so the number of those that wait is bounded as well. */
const OVERHEAD = 4096;

/** Strangers leave a quarter of the room to peers that are known. */
const STRANGERS_SHARE = 0.75;

/**
 * A queue that is silent for so long is forgotten: the next message of it waits once as behind a gap. Longer than
 * anything is remembered as accepted, so that its order outlasts that, however the wall clock is set.
 */
const SILENT_MS = 3 * 3_600_000;

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
  readonly #sweep = new Sweep(this.#queues);
  /** What waits behind gaps, of all queues, as it came: what came first has waited longest. */
  readonly #held = new Set<Held<T>>();
  readonly #limits: InboxLimits;
  #heldBytes = 0;

  constructor(limits: InboxLimits) {
    this.#limits = limits;
  }

  /** How many messages wait behind gaps. */
  get held(): number {
    return this.#held.size;
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
   * @param isKnown - whether the source is more than a stranger
   */
  check(id: string, sequence: number, isKnown: boolean): InboxVerdict {
    const queue = this.#queues.get(id);
    if (!queue && this.#queues.size >= this.#limits.maxQueues) return "full";
    const next = queue?.next ?? 0;
    if (sequence < next) return "late";
    const room = this.#limits.maxHeldBytes * (isKnown ? 1 : STRANGERS_SHARE);
    return sequence > next && this.#heldBytes >= room ? "full" : "accepted";
  }

  /**
   * Takes a message that {@link check} accepted.
   * @param length - of the message, bytes
   * @returns what may be handed over now, in order
   */
  offer(id: string, sequence: number, length: number, item: T, now: number): T[] {
    const queue = this.#queues.get(id) ?? { next: 0, held: new Map(), lastSeen: now };
    this.#queues.set(id, queue);
    queue.lastSeen = now;
    const bytes = length + OVERHEAD;
    const held = { queue, sequence, item, bytes, until: now + this.#limits.gapTimeoutMs };
    queue.held.set(sequence, held);
    this.#held.add(held);
    this.#heldBytes += bytes;
    return this.#takeRun(queue);
  }

  /**
   * Hands over what has waited long enough, in order for each queue; gaps before it are given up.
   * Looks at no queue of which nothing is due: it is called for every gap that strangers make.
   */
  expire(now: number): T[] {
    const last = new Map<Queue<T>, number>();
    for (const { queue, sequence, until } of this.#held) {
      if (until > now) break;
      last.set(queue, Math.max(last.get(queue) ?? 0, sequence));
    }
    return [...last].flatMap(([queue, upTo]) => {
      const due = [...queue.held.values()].filter(({ sequence }) => sequence <= upTo);
      due.sort((a, b) => a.sequence - b.sequence);
      return [...due.map((held) => this.#take(held)), ...this.#takeRun(queue)];
    });
  }

  /** Hands over everything that waits, in order for each queue. */
  flush(): T[] {
    return this.expire(NEVER);
  }

  /** When {@link expire} has something to do next, or Infinity. */
  nextAt(): number {
    for (const { until } of this.#held) return until;
    return NEVER;
  }

  /** Takes the messages whose turn it is. */
  #takeRun(queue: Queue<T>): T[] {
    const run: T[] = [];
    for (let held = queue.held.get(queue.next); held; held = queue.held.get(queue.next)) {
      run.push(this.#take(held));
    }
    return run;
  }

  #take(held: Held<T>): T {
    const { queue, sequence, item, bytes } = held;
    queue.held.delete(sequence);
    queue.next = sequence + 1;
    this.#held.delete(held);
    this.#heldBytes -= bytes;
    return item;
  }

  /**
   * Looks at some of the queues, and forgets those that have been silent for three hours; once there are many,
   * all of which nothing can be fresh any more. To be called often.
   */
  purge(now: number): void {
    for (const [id, { held, lastSeen }] of this.#sweep.some()) {
      const silentMs = this.#queues.size > this.#limits.maxQueues / 2 ? FOLLOW_MS : SILENT_MS;
      if (held.size === 0 && now - lastSeen >= silentMs) this.#queues.delete(id);
    }
  }
}
