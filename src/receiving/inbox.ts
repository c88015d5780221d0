import { NEVER } from "../base/alarm.js";
import { Tally } from "../base/tally.js";

/** The inbox's decision about a message. */
export type InboxVerdict =
  /** The message is next, or waits behind a gap. It will be handed over. */
  | "accepted"
  /** Later messages were handed over already. Handing this one over would break the order. */
  | "late"
  /** There is no room for the message now. */
  | "full";

interface Held<T> {
  readonly queue: Queue<T>;
  readonly sequence: number;
  readonly item: T;
  /** The bytes that the message counts for the limits. */
  readonly bytes: number;
  /** When the wait for the messages before it ends. */
  readonly until: number;
}

interface Queue<T> {
  readonly id: string;
  readonly source: string;
  /** The sequence number that comes next. Lower numbers were handed over or given up. */
  next: number;
  /** The messages that wait behind a gap, by sequence number. */
  readonly held: Map<number, Held<T>>;
  lastSeen: number;
  isKnown: boolean;
}

export interface InboxLimits {
  /** How long a message waits for the messages before it, in ms. */
  readonly gapTimeoutMs: number;
  /** When this number of bytes waits in all, no more messages are accepted. The last message may exceed the limit. */
  readonly maxHeldBytes: number;
  /**
   * The maximum number of queues without waiting messages that the inbox follows. Beyond it, the queue that was silent
   * for the longest time is forgotten.
   */
  readonly maxQueues: number;
}

/** The sender of a message, and what else is known about its queue. */
export interface Sender {
  readonly source: string;
  /** Whether the source is a known peer and not a stranger. */
  readonly isKnown: boolean;
  /** One more than the highest accepted number of the queue, if the replay window remembers the queue; otherwise 0. */
  readonly passed: number;
}

/**
 * A generous estimate of the memory for a message besides its bytes. So the number of waiting messages is limited, too.
 */
const OVERHEAD = 4096;

/** Strangers leave a quarter of the room to known peers, and no single source gets more than a quarter. */
const STRANGERS_SHARE = 0.75;
const SOURCE_SHARE = 0.25;

/**
 * A queue that was silent for this time is forgotten, in ms. The next message of such a queue waits as if behind a gap.
 * The time is longer than the replay window remembers messages. So the order is kept while copies may come, however the
 * wall clock is set.
 */
const SILENT_MS = 3 * 3_600_000;

/** The maximum number of silent queues that are forgotten in one call. */
const SOME = 1024;

/**
 * Puts the messages of each queue in order. A message behind a gap waits at most `gapTimeoutMs` for the messages before
 * it. The first message of a new queue waits in the same way if its number is not 0.
 *
 * The results of {@link offer}, {@link expire} and {@link flush} are in order. No message is returned twice, if no
 * message is offered twice. A queue without waiting messages may be forgotten at any time: while copies of its messages
 * may still come, {@link Sender.passed} tells where the queue was.
 *
 * All times are monotonic milliseconds.
 */
export class Inbox<T> {
  readonly #queues = new Map<string, Queue<T>>();
  /**
   * The queues without waiting messages: those of strangers, those of known peers, and those of each source. In each
   * set the queue that was silent for the longest time comes first.
   */
  readonly #strangers = new Set<Queue<T>>();
  readonly #known = new Set<Queue<T>>();
  readonly #sources = new Map<string, Set<Queue<T>>>();
  /** The messages of all queues that wait behind gaps, in the order in which they came. */
  readonly #held = new Set<Held<T>>();
  readonly #limits: InboxLimits;
  #heldBytes = 0;
  /** The waiting bytes of each source. */
  readonly #heldBytesOf = new Tally<string>();

  constructor(limits: InboxLimits) {
    this.#limits = limits;
  }

  /** The number of messages that wait behind gaps. */
  get held(): number {
    return this.#held.size;
  }

  /** The number of queues that the inbox follows. */
  get queues(): number {
    return this.#queues.size;
  }

  /** Whether a message of this queue has come before. */
  follows(id: string): boolean {
    return this.#queues.has(id);
  }

  /**
   * Whether a message may be accepted.
   * @param id - source and queue id
   */
  check(id: string, sequence: number, { source, isKnown, passed }: Sender): InboxVerdict {
    const next = this.#queues.get(id)?.next ?? passed;
    if (sequence < next) return "late";
    const { maxHeldBytes } = this.#limits;
    const isFull =
      this.#heldBytes >= maxHeldBytes * (isKnown ? 1 : STRANGERS_SHARE) ||
      this.#heldBytesOf.of(source) >= maxHeldBytes * SOURCE_SHARE;
    return sequence > next && isFull ? "full" : "accepted";
  }

  /**
   * Adds a message that {@link check} accepted.
   * @param length - the length of the message in bytes
   * @returns the messages that may be handed over now, in order
   */
  offer(id: string, sequence: number, sender: Sender, length: number, item: T, now: number): T[] {
    const { source, isKnown, passed } = sender;
    const queue = this.#queues.get(id) ?? {
      id,
      source,
      next: passed,
      held: new Map(),
      lastSeen: now,
      isKnown,
    };
    this.#queues.set(id, queue);
    queue.lastSeen = now;
    queue.isKnown = isKnown;
    this.#leaveIdle(queue);
    const bytes = length + OVERHEAD;
    const held = { queue, sequence, item, bytes, until: now + this.#limits.gapTimeoutMs };
    queue.held.set(sequence, held);
    this.#held.add(held);
    this.#heldBytes += bytes;
    this.#heldBytesOf.add(source, bytes);
    const run = this.#takeRun(queue);
    if (queue.held.size === 0) this.#becomeIdle(queue);
    return run;
  }

  /**
   * Returns the messages that have waited long enough, in order for each queue. The gaps before them are given up. Only
   * looks at queues with due messages, because this function is called for every gap, and strangers can make many.
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
      const run = [...due.map((held) => this.#take(held)), ...this.#takeRun(queue)];
      if (queue.held.size === 0) this.#becomeIdle(queue);
      return run;
    });
  }

  /** Returns all waiting messages, in order for each queue. */
  flush(): T[] {
    return this.expire(NEVER);
  }

  /** When {@link expire} has something to do next, or Infinity. */
  nextAt(): number {
    for (const { until } of this.#held) return until;
    return NEVER;
  }

  /** Takes the messages that are next in order. */
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
    this.#heldBytesOf.add(queue.source, -bytes);
    return item;
  }

  /** Forgets queues that were silent for three hours, some in each call. Must be called often. */
  purge(now: number): void {
    for (const idle of [this.#strangers, this.#known]) {
      let count = 0;
      for (const queue of idle) {
        if (now - queue.lastSeen < SILENT_MS || count++ === SOME) break;
        this.#forget(queue);
      }
    }
  }

  /**
   * Notes that no message of the queue waits any more. At a limit, one queue is forgotten: first one of the same
   * source, then one of a stranger, then any.
   */
  #becomeIdle(queue: Queue<T>): void {
    const { maxQueues } = this.#limits;
    const own = this.#sources.get(queue.source) ?? new Set();
    this.#sources.set(queue.source, own.add(queue));
    (queue.isKnown ? this.#known : this.#strangers).add(queue);
    if (own.size > maxQueues * SOURCE_SHARE) this.#forgetFirst(own);
    if (this.#strangers.size > maxQueues * STRANGERS_SHARE) this.#forgetFirst(this.#strangers);
    if (this.#strangers.size + this.#known.size > maxQueues)
      this.#forgetFirst(this.#strangers.size > 0 ? this.#strangers : this.#known);
  }

  #leaveIdle(queue: Queue<T>): void {
    this.#strangers.delete(queue);
    this.#known.delete(queue);
    const own = this.#sources.get(queue.source);
    own?.delete(queue);
    if (own?.size === 0) this.#sources.delete(queue.source);
  }

  #forgetFirst(idle: ReadonlySet<Queue<T>>): void {
    for (const queue of idle) {
      this.#forget(queue);
      return;
    }
  }

  #forget(queue: Queue<T>): void {
    this.#leaveIdle(queue);
    this.#queues.delete(queue.id);
  }
}
