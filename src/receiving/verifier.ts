import { platform } from "#platform";
import { Alarm, monotonicNow } from "../base/alarm.js";
import { BoundedMap } from "../base/bounded-map.js";
import type { Verify } from "../platform/platform.js";
import { PUBLIC_KEY_BYTES } from "../wire/identity.js";
import type { AppPacket } from "../wire/packet.js";

/** Who comes before whom: what is waited for or goes on, then who is known, then strangers. */
export type Rank = 0 | 1 | 2;

interface Job {
  readonly packet: AppPacket;
  readonly payload: Uint8Array;
  readonly isFirst: boolean;
  /** What becomes of the packet and of its copies that came while it waited. */
  readonly uses: ((valid: boolean) => void)[];
}

/** How many verifications run at once: the threads that Node has for them. All but the first rank leave one free. */
const CONCURRENT = 4;
const CONCURRENT_OTHERS = 3;

/** How many may wait in each rank, and of one source. */
const MAX_WAITING = 1024;
const MAX_WAITING_OF_SOURCE = 256;

/** How many copies of a waiting packet wait with it: one for each broker, and then some. */
const MAX_COPIES = 32;

/** For how many payloads the result is kept: the copies of a message come by several brokers. */
const KEPT_RESULTS = 512;

/** For so long after a packet of the first rank the others leave room for the next one, ms. */
const CONTESTED_MS = 1000;

/** How long they rest then, as a multiple of the time that they took: a quarter of one core is theirs. */
const REST = 3;

/**
 * Verifies packets, a few at a time. What waits is bounded, the ranks come one after the other, and
 * within each the sources take turns, so that a flood cannot starve others. While something of the first
 * rank goes on, the others get a share of the time. Equal bytes are verified once.
 */
export class Verifier {
  readonly #verify: Verify;
  readonly #lines: readonly [Line, Line, Line] = [new Line(), new Line(), new Line()];
  readonly #results = new BoundedMap<string, Promise<boolean>>(KEPT_RESULTS);
  readonly #restAlarm: Alarm = new Alarm(() => {
    this.#next();
    return Number.POSITIVE_INFINITY;
  });
  #running = 0;
  #others = 0;
  #contestedUntil = 0;
  #restUntil = 0;

  constructor(verify: Verify) {
    this.#verify = verify;
  }

  /**
   * Finds out whether the packet's source signed it.
   * @param use - what then comes of it; its time counts for the rank
   * @returns what `use` returns, or "full" when there was no room to wait
   */
  verify<T>(
    packet: AppPacket,
    payload: Uint8Array,
    rank: Rank,
    use: (valid: boolean) => Promise<T>,
  ): Promise<T | "full"> {
    return new Promise((resolve) => {
      const isFirst = rank === 0;
      if (isFirst) this.#contestedUntil = monotonicNow() + CONTESTED_MS;
      const job = { packet, payload, isFirst, uses: [(valid: boolean) => resolve(use(valid))] };
      if (this.#lines[rank].add(job)) this.#next();
      else resolve("full");
    });
  }

  /** What waits is not verified any more. */
  close(): void {
    this.#restAlarm.clear();
    for (const line of this.#lines) line.clear();
  }

  /** Starts what may start. */
  #next(): void {
    const [first, known, strangers] = this.#lines;
    while (this.#running < CONCURRENT) {
      const restUntil = Math.min(this.#restUntil, this.#contestedUntil);
      const isResting = monotonicNow() < restUntil;
      const others = isResting || this.#others >= CONCURRENT_OTHERS ? [] : [known, strangers];
      const job = first.take() ?? others[0]?.take() ?? others[1]?.take();
      if (job === undefined) {
        if (isResting && known.count + strangers.count > 0) this.#restAlarm.set(restUntil);
        return;
      }
      void this.#run(job);
    }
  }

  async #run({ packet, payload, isFirst, uses }: Job): Promise<void> {
    const startedAt = monotonicNow();
    const id = platform.sha256(payload);
    const known = this.#results.get(id);
    // A copy takes no thread.
    const threads = known === undefined ? 1 : 0;
    this.#running += threads;
    if (!isFirst) this.#others++;
    const result = known ?? this.#check(packet);
    this.#results.set(id, result);
    const valid = await result;
    this.#running -= threads;
    // What comes of it at once, such as opening a sealed message, is in the time that it took.
    for (const use of uses) use(valid);
    if (!isFirst) {
      this.#others--;
      const now = monotonicNow();
      this.#restUntil = now + REST * (now - startedAt);
    }
    this.#next();
  }

  async #check(packet: AppPacket): Promise<boolean> {
    try {
      return (await packet.verify(this.#verify)) === true;
    } catch {
      // A caller's own verifier may throw; that is no valid signature.
      return false;
    }
  }
}

/** What waits, by source. */
class Line {
  readonly #jobs = new Map<string, Job[]>();
  /** How many wait. */
  count = 0;

  /** @returns false when there is no room */
  add(job: Job): boolean {
    const { source } = job.packet;
    const jobs = this.#jobs.get(source) ?? [];
    // After a pause the copies of many messages come at once: each message needs room, its copies none.
    const same = jobs.find(({ payload }) => isSame(payload, job.payload));
    if (same !== undefined) {
      if (same.uses.length >= MAX_COPIES) return false;
      same.uses.push(...job.uses);
      return true;
    }
    if (this.count >= MAX_WAITING || jobs.length >= MAX_WAITING_OF_SOURCE) return false;
    jobs.push(job);
    this.count++;
    this.#jobs.set(source, jobs);
    return true;
  }

  clear(): void {
    this.#jobs.clear();
    this.count = 0;
  }

  take(): Job | undefined {
    const first = this.#jobs.entries().next().value;
    if (first === undefined) return undefined;
    const [source, jobs] = first;
    const job = jobs.shift();
    // To the end of the map: the other sources come first.
    this.#jobs.delete(source);
    if (jobs.length > 0) this.#jobs.set(source, jobs);
    this.count--;
    return job;
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  // Behind the source, which is the same, stands the signature: other packets differ at once.
  for (let i = PUBLIC_KEY_BYTES; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
