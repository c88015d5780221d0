import { NEVER } from "../base/alarm.js";
import { Sweep } from "../base/sweep.js";
import { PUBLIC_KEY_BYTES } from "../wire/address.js";
import { QUEUE_ID_BYTES } from "../wire/packet.js";

/** A MSG older than this is dropped, and so is one from further ahead: twice a Python sender's retransmission time. */
export const FRESH_MS = 120_000;

/** What the window says of a message: never seen, accepted before, or no room to remember it. */
export type ReplayVerdict = "new" | "seen" | "full";

/** Strangers leave a quarter of the room to peers that are known, and nobody gets more than a quarter. */
const STRANGERS_SHARE = 0.75;
const SOURCE_SHARE = 0.25;

/** How much longer they are kept that are few. */
const KEPT_MS = 2 * 3_600_000;

/** Up to 32 neighbouring sequence numbers of one queue that were accepted. */
interface Block {
  readonly source: string;
  readonly queue: QueueMark;
  /** Bit i stands for sequence number 32 × index + i. */
  bits: number;
  /** The latest timestamp among them, ms: fresh until {@link FRESH_MS} after it. */
  timestamp: number;
  /** The monotonic time at which that timestamp is too old if nobody sets the wall clock. */
  keepUntil: number;
}

/** What is known of a queue as long as any of its blocks is remembered. */
interface QueueMark {
  /** The highest sequence number that was accepted. */
  highest: number;
  blocks: number;
}

/**
 * Remembers (source, queue id, sequence) of what was accepted, for as long as its timestamp is
 * fresh: nothing can be accepted twice, whatever order, pause or copy it comes in.
 *
 * - Forgetting needs both clocks: the wall clock must call the timestamp too old, and that time must
 *   really have passed. A wall clock that jumps ahead and back loses nothing.
 * - What was forgotten leaves its timestamp behind as a floor: nothing at or below it is accepted,
 *   even if the wall clock is set back by more than the window.
 * - Bounded in blocks of 32 neighbouring messages. When it is full, new messages are refused; old
 *   ones are never forgotten for them.
 */
export class ReplayWindow {
  /** By source, queue id and place in the queue. */
  readonly #blocks = new Map<string, Block>();
  readonly #queues = new Map<string, QueueMark>();
  /** How many blocks each source has. */
  readonly #sources = new Map<string, number>();
  readonly #sweep = new Sweep(this.#blocks);
  readonly #maxBlocks: number;
  readonly #keptBlocks: number;
  #floor = -NEVER;

  /**
   * @param maxBlocks - how many blocks of 32 messages it may hold; one takes 100 bytes to 1 KB
   * @param keptBlocks - up to so many are kept for two hours longer than needed: the floor rises so much
   * later, and a clock that was an hour ahead may be set right
   */
  constructor(maxBlocks: number, keptBlocks = 0) {
    this.#maxBlocks = maxBlocks;
    this.#keptBlocks = keptBlocks;
  }

  /** How many blocks it holds. */
  get size(): number {
    return this.#blocks.size;
  }

  /** Timestamps at or below this one (ms) are refused: they may have been accepted and forgotten. */
  get floor(): number {
    return this.#floor;
  }

  /** The number behind the highest one of a queue that was accepted, as far as that is remembered; otherwise 0. */
  passed(source: string, queueId: string): number {
    return (this.#queues.get(source + queueId)?.highest ?? -1) + 1;
  }

  /**
   * Looks a message up without remembering it.
   * @param isKnown - whether the source is more than a stranger
   */
  check(source: string, queueId: string, sequence: number, isKnown: boolean): ReplayVerdict {
    const block = this.#blocks.get(keyOf(source, queueId, sequence));
    if (block !== undefined) return (block.bits & (1 << (sequence & 31))) === 0 ? "new" : "seen";
    const room = this.#maxBlocks * (isKnown ? 1 : STRANGERS_SHARE);
    const ownRoom = this.#maxBlocks * SOURCE_SHARE;
    return this.#blocks.size < room && (this.#sources.get(source) ?? 0) < ownRoom ? "new" : "full";
  }

  /**
   * Remembers a message that {@link check} called new.
   * @param timestamp - the packet's, in ms
   * @param wallNow - the wall clock, ms
   * @param now - the monotonic clock, ms
   */
  add(
    source: string,
    queueId: string,
    sequence: number,
    timestamp: number,
    wallNow: number,
    now: number,
  ): void {
    const key = keyOf(source, queueId, sequence);
    const queue = this.#queues.get(source + queueId) ?? { highest: sequence, blocks: 0 };
    const block = this.#blocks.get(key) ?? { source, queue, bits: 0, timestamp, keepUntil: 0 };
    if (block.bits === 0) {
      this.#blocks.set(key, block);
      this.#queues.set(source + queueId, queue);
      queue.blocks++;
      this.#count(source, 1);
    }
    queue.highest = Math.max(queue.highest, sequence);
    block.bits |= 1 << (sequence & 31);
    block.timestamp = Math.max(block.timestamp, timestamp);
    block.keepUntil = Math.max(block.keepUntil, now + (timestamp + FRESH_MS - wallNow));
  }

  /** Looks at some of what it has, and forgets what is too old by both clocks. To be called often. */
  purge(wallNow: number, now: number): void {
    for (const [key, { source, queue, timestamp, keepUntil }] of this.#sweep.some()) {
      const until = now - (this.#blocks.size <= this.#keptBlocks ? KEPT_MS : 0);
      if (keepUntil > until || timestamp + FRESH_MS >= wallNow) continue;
      this.#blocks.delete(key);
      if (--queue.blocks === 0) this.#queues.delete(key.slice(0, QUEUE_KEY_CHARACTERS));
      this.#count(source, -1);
      this.#floor = Math.max(this.#floor, timestamp);
    }
  }

  #count(source: string, change: 1 | -1): void {
    const count = (this.#sources.get(source) ?? 0) + change;
    if (count > 0) this.#sources.set(source, count);
    else this.#sources.delete(source);
  }
}

/** A source and a queue id, in hex. */
const QUEUE_KEY_CHARACTERS: number = 2 * (PUBLIC_KEY_BYTES + QUEUE_ID_BYTES);

function keyOf(source: string, queueId: string, sequence: number): string {
  return `${source}${queueId}${sequence >>> 5}`;
}
