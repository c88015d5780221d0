import { NEVER } from "../base/alarm.js";
import { Tally } from "../base/tally.js";

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
  readonly id: string;
  readonly source: string;
  /** The sequence number that comes next; what is below it has been passed. */
  next: number;
  /** Waiting behind a gap, by sequence number. */
  readonly held: Map<number, Held<T>>;
  lastSeen: number;
  isKnown: boolean;
}

export interface InboxLimits {
  /** How long a message waits for the ones before it, ms. */
  readonly gapTimeoutMs: number;
  /** How many bytes may wait in all before no more are let in; the last message may go beyond it. */
  readonly maxHeldBytes: number;
  /** How many queues it follows of which nothing waits; the longest silent of those that crowd it are forgotten. */
  readonly maxQueues: number;
}

/** Whose message it is, and what else is known of its queue. */
export interface Sender {
  readonly source: string;
  /** Whether the source is more than a stranger. */
  readonly isKnown: boolean;
  /** The number behind the highest one that was accepted, as far as that is remembered elsewhere; otherwise 0. */
  readonly passed: number;
}

/** What a message takes beside its bytes, roomily: so the number of those that wait is bounded as well. */
const OVERHEAD = 4096;

/** Strangers leave a quarter of the room to peers that are known, and nobody gets more than a quarter. */
const STRANGERS_SHARE = 0.75;
const SOURCE_SHARE = 0.25;

/**
 * A queue that is silent for so long is forgotten: the next message of it waits once as behind a gap. Longer than
 * anything is remembered as accepted, so that its order outlasts that, however the wall clock is set.
 */
const SILENT_MS = 3 * 3_600_000;

/** Queues that are forgotten at a time for their silence. */
const SOME = 1024;

/**
 * Puts the messages of each queue in order. A message behind a gap waits at most `gapTimeoutMs`
 * for those before it; a queue first seen above 0 waits likewise. What comes out of
 * {@link offer}, {@link expire} and {@link flush} is in order, and nothing comes out twice
 * as long as nothing is offered twice. A queue may be forgotten whenever nothing of it waits: as long as a message
 * of it may still come, {@link Sender.passed} says where it was.
 *
 * Times are monotonic milliseconds.
 */
export class Inbox<T> {
  readonly #queues = new Map<string, Queue<T>>();
  /** The queues of which nothing waits, the longest silent first: of strangers, of known peers, of each source. */
  readonly #strangers = new Set<Queue<T>>();
  readonly #known = new Set<Queue<T>>();
  readonly #sources = new Map<string, Set<Queue<T>>>();
  /** What waits behind gaps, of all queues, as it came: what came first has waited longest. */
  readonly #held = new Set<Held<T>>();
  readonly #limits: InboxLimits;
  #heldBytes = 0;
  /** Those of each source. */
  readonly #heldBytesOf = new Tally<string>();

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
   * Takes a message that {@link check} accepted.
   * @param length - of the message, bytes
   * @returns what may be handed over now, in order
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
      const run = [...due.map((held) => this.#take(held)), ...this.#takeRun(queue)];
      if (queue.held.size === 0) this.#becomeIdle(queue);
      return run;
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
    this.#heldBytesOf.add(queue.source, -bytes);
    return item;
  }

  /** Forgets queues that have been silent for three hours, some at a time. To be called often. */
  purge(now: number): void {
    for (const idle of [this.#strangers, this.#known]) {
      let count = 0;
      for (const queue of idle) {
        if (now - queue.lastSeen < SILENT_MS || count++ === SOME) break;
        this.#forget(queue);
      }
    }
  }

  /** Nothing of it waits any more. What crowds the others makes room: its own source, strangers, in the end anybody. */
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
