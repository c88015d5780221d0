import { NEVER } from "../base/alarm.js";
import { Sweep } from "../base/sweep.js";
import { PUBLIC_KEY_BYTES } from "../wire/address.js";
import { QUEUE_ID_BYTES } from "../wire/packet.js";

/**
 * The maximum age of a packet, and the maximum distance of its timestamp in the future, in ms. The value is twice the
 * time for which a Python sender repeats a message.
 */
export const FRESH_MS = 120_000;

/** The window's answer for a message: never seen, accepted before, or no room to remember it. */
export type ReplayVerdict = "new" | "seen" | "full";

/** Strangers leave a quarter of the room to known peers, and no single source gets more than a quarter. */
const STRANGERS_SHARE = 0.75;
const SOURCE_SHARE = 0.25;

/** How much longer blocks are kept while there are few of them, in ms. */
const KEPT_MS = 2 * 3_600_000;

/** Up to 32 neighbouring sequence numbers of one queue that were accepted. */
interface Block {
  readonly source: string;
  readonly queue: QueueMark;
  /** Bit i stands for the sequence number 32 × index + i. */
  bits: number;
  /** The latest timestamp in the block, in ms. The block is fresh until {@link FRESH_MS} after this timestamp. */
  timestamp: number;
  /** The monotonic time when this timestamp becomes too old, if nobody sets the wall clock. */
  keepUntil: number;
}

/** What is known about a queue while at least one of its blocks is remembered. */
interface QueueMark {
  /** The highest accepted sequence number. */
  highest: number;
  blocks: number;
}

/**
 * Remembers (source, queue id, sequence) of accepted messages while their timestamps are fresh. So no message is
 * accepted twice, in whatever order or after whatever pause its copies come.
 *
 * - A message is forgotten only if both clocks agree: its timestamp is too old for the wall clock, and that much time
 *   has passed on the monotonic clock. So a wall clock that jumps forwards and back makes the window forget nothing.
 * - The timestamp of a forgotten message raises a floor. No message with a timestamp at or below the floor is accepted,
 *   even if the wall clock is set back by more than the window.
 * - The size is limited in blocks of 32 neighbouring messages. A full window refuses new messages; it never forgets old
 *   ones to make room.
 */
export class ReplayWindow {
  /** The blocks by source, queue id and index in the queue. */
  readonly #blocks = new Map<string, Block>();
  readonly #queues = new Map<string, QueueMark>();
  /** The number of blocks of each source. */
  readonly #sources = new Map<string, number>();
  readonly #sweep = new Sweep(this.#blocks);
  readonly #maxBlocks: number;
  readonly #keptBlocks: number;
  #floor = -NEVER;

  /**
   * @param maxBlocks - the maximum number of blocks of 32 messages; one block takes 100 bytes to 1 KB
   * @param keptBlocks - while there are at most this many blocks, they are kept two hours longer than necessary. The
   * floor then rises two hours later, so a clock that was an hour ahead may be corrected
   */
  constructor(maxBlocks: number, keptBlocks = 0) {
    this.#maxBlocks = maxBlocks;
    this.#keptBlocks = keptBlocks;
  }

  /** The number of blocks. */
  get size(): number {
    return this.#blocks.size;
  }

  /**
   * Timestamps at or below this value (ms) are refused, because their messages may have been accepted and forgotten.
   */
  get floor(): number {
    return this.#floor;
  }

  /** One more than the highest accepted number of a queue, if the queue is remembered; otherwise 0. */
  passed(source: string, queueId: string): number {
    return (this.#queues.get(source + queueId)?.highest ?? -1) + 1;
  }

  /**
   * Looks a message up without remembering it.
   * @param isKnown - whether the source is a known peer and not a stranger
   */
  check(source: string, queueId: string, sequence: number, isKnown: boolean): ReplayVerdict {
    const block = this.#blocks.get(keyOf(source, queueId, sequence));
    if (block !== undefined) return (block.bits & (1 << (sequence & 31))) === 0 ? "new" : "seen";
    const room = this.#maxBlocks * (isKnown ? 1 : STRANGERS_SHARE);
    const ownRoom = this.#maxBlocks * SOURCE_SHARE;
    return this.#blocks.size < room && (this.#sources.get(source) ?? 0) < ownRoom ? "new" : "full";
  }

  /**
   * Remembers a message that {@link check} called new, or a copy with a newer timestamp.
   * @param timestamp - the packet's timestamp, in ms
   * @param wallNow - the wall clock, in ms
   * @param now - the monotonic clock, in ms
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

  /** Looks at some of the blocks, and forgets a block that is too old on both clocks. Must be called often. */
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

/** The length of a source and a queue id in hex. */
const QUEUE_KEY_CHARACTERS: number = 2 * (PUBLIC_KEY_BYTES + QUEUE_ID_BYTES);

function keyOf(source: string, queueId: string, sequence: number): string {
  return `${source}${queueId}${sequence >>> 5}`;
}
