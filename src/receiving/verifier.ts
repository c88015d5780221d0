import { platform } from "#platform";
import { Alarm, monotonicNow, NEVER } from "../base/alarm.js";
import { isPromise } from "../base/guarded.js";
import { nextTask } from "../base/next-task.js";
import { Patience } from "../base/patience.js";
import { TieredMap } from "../base/tiered-map.js";
import type { Verify } from "../platform/platform.js";
import { PUBLIC_KEY_BYTES } from "../wire/address.js";
import type { AppPacket } from "../wire/packet.js";
import { WaitingLine } from "./waiting-line.js";

/** Who comes before whom: what is waited for or goes on, then who is known, then strangers. */
export type Rank = 0 | 1 | 2;

interface Job {
  readonly packet: AppPacket;
  readonly payload: Uint8Array;
  readonly rank: Rank;
  /** What becomes of the packet and of its copies that came while it waited. */
  readonly uses: ((valid: Verdict) => void)[];
}

/** How many verifications run at once: the threads that Node has for them. All but the first rank leave one free. */
const CONCURRENT = 4;
const CONCURRENT_OTHERS = 3;

/**
 * So many that wait in one known peer's name, and go on in none of its queues, are a crowd: the newest is next. A
 * pipe's first messages may be as many, but they stop when the first of them is accepted.
 */
const CLAIMS_CROWD = 8;

/** Whether it is signed by its source; "full" where that was not found out. */
type Verdict = boolean | "full";

/** A check that takes longer was given to a verifier that hangs: its place is for others, ms. */
const CHECK_PATIENCE_MS = 5000;

/** How many copies of a waiting packet wait with it: one for each broker, and then some. */
const MAX_COPIES = 32;

/** For how many payloads the result is kept: the copies of a message come by several brokers. */
const KEPT_RESULTS = 512;

/** For so long after a packet of the first rank the others leave room for the next one, ms. */
const CONTESTED_MS = 1000;

/** How long they rest then, as a multiple of the time that they took: a quarter of one core is theirs. */
const REST = 3;

/** … of which so much counts, ms: on a machine that is busy with something else a check takes long, and costs no more. */
const LONGEST_CHECK_MS = 20;

/** For so long checks follow each other before everything else has its turn, ms: a result that is known waits for nothing. */
const BURST_MS = 4;

/**
 * Verifies packets, a few at a time. What waits is bounded, the ranks come one after the other, and
 * within each the sources take turns, so that a flood cannot starve others. While something of the first
 * rank goes on, the others get a share of the time. Equal bytes are verified once.
 */
export class Verifier {
  readonly #verify: Verify;
  readonly #lines: readonly [WaitingLine<Job>, WaitingLine<Job>, WaitingLine<Job>] = [
    new WaitingLine(),
    new WaitingLine(CLAIMS_CROWD),
    new WaitingLine(),
  ];
  readonly #results = new TieredMap<string, Promise<Verdict>>(KEPT_RESULTS);
  readonly #patience = new Patience(CHECK_PATIENCE_MS);
  readonly #onFailed: (error: unknown) => void;
  readonly #restAlarm: Alarm = new Alarm(() => {
    this.#next();
    return NEVER;
  });
  #running = 0;
  #others = 0;
  #contestedUntil = 0;
  #restUntil = 0;
  /** Since when checks have followed each other; undefined when nothing was checked since everything had its turn. */
  #burstAt: number | undefined;
  /** Whether what waits is to go on once everything had its turn. */
  #isInterrupted = false;

  /** @param onFailed - told that the verify function threw, rejected or took too long */
  constructor(verify: Verify, onFailed: (error: unknown) => void = () => {}) {
    this.#verify = verify;
    this.#onFailed = onFailed;
  }

  /**
   * Finds out whether the packet's source signed it.
   * @param way - what it came by: whoever uses a known peer's name on one way does not hold up what comes by another
   * @param use - what then comes of it; its time counts for the rank
   * @returns what `use` returns, or "full" when there was no room to wait
   */
  verify<T>(
    packet: AppPacket,
    payload: Uint8Array,
    rank: Rank,
    way: string,
    use: (valid: boolean) => Promise<T>,
  ): Promise<T | "full"> {
    return new Promise((resolve) => {
      if (rank === 0) this.#contestedUntil = monotonicNow() + CONTESTED_MS;
      const line = this.#lines[rank];
      const end = (valid: Verdict): void => resolve(valid === "full" ? valid : use(valid));
      // After a pause the copies of many messages come at once: each message needs room, its copies none.
      const source = rank === 1 ? packet.source + way : packet.source;
      const same = line.renew(source, (job) => isSame(job.payload, payload));
      if (same === undefined) {
        refuse(line.add(source, { packet, payload, rank, uses: [end] }));
        this.#next();
      } else if (same.uses.length < MAX_COPIES) same.uses.push(end);
      else end("full");
    });
  }

  /** What waits is not verified any more. */
  close(): void {
    this.#restAlarm.clear();
    this.#patience.close();
    for (const line of this.#lines) line.clear();
  }

  /** Starts what may start. */
  #next(): void {
    const [first, known, strangers] = this.#lines;
    while (this.#running < CONCURRENT) {
      if (!this.#goesOn()) return;
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

  /** Whether one more may follow at once; otherwise it goes on after everything else had its turn. */
  #goesOn(): boolean {
    const now = monotonicNow();
    if (this.#burstAt === undefined) {
      this.#burstAt = now;
      nextTask(() => {
        const wasInterrupted = this.#isInterrupted;
        this.#burstAt = undefined;
        this.#isInterrupted = false;
        if (wasInterrupted) this.#next();
      });
    }
    this.#isInterrupted = now - this.#burstAt >= BURST_MS;
    return !this.#isInterrupted;
  }

  async #run({ packet, payload, rank, uses }: Job): Promise<void> {
    const startedAt = monotonicNow();
    const id = platform.sha256(payload);
    const known = this.#results.get(id);
    // A copy takes no thread.
    const threads = known === undefined ? 1 : 0;
    const others = rank === 0 ? 0 : 1;
    this.#running += threads;
    this.#others += others;
    const result = known ?? this.#check(packet);
    this.#results.set(id, result, rank < 2);
    const valid = await result;
    // To be asked again when it comes again.
    if (valid === "full") this.#results.delete(id);
    this.#running -= threads;
    // What comes of it at once, such as opening a sealed message, is in the time that it took.
    for (const use of uses) use(valid);
    this.#others -= others;
    if (rank !== 0) {
      const now = monotonicNow();
      this.#restUntil = now + REST * Math.min(now - startedAt, LONGEST_CHECK_MS);
    }
    this.#next();
  }

  async #check(packet: AppPacket): Promise<Verdict> {
    try {
      const answer: unknown = packet.verify(this.#verify);
      if (!isPromise(answer)) return answer === true;
      const late = await this.#patience.wait(answer);
      if (late) return late.value === true;
      this.#onFailed(this.#patience.error());
      return "full";
    } catch (error) {
      // A caller's own verifier may throw; that is no valid signature.
      this.#onFailed(error);
      return false;
    }
  }
}

function refuse(job: Job | undefined): void {
  for (const use of job?.uses ?? []) use("full");
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  // Behind the source, which is the same, stands the signature: other packets differ at once.
  for (let i = PUBLIC_KEY_BYTES; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
