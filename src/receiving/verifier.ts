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

/** The order of packets: first ACKs that are waited for and queues that go on, then known peers, then strangers. */
export type Rank = 0 | 1 | 2;

interface Job {
  readonly packet: AppPacket;
  readonly payload: Uint8Array;
  readonly rank: Rank;
  /** The functions to call with the result, for the packet and for its copies that came while it waited. */
  readonly uses: ((valid: Verdict) => void)[];
}

/**
 * The maximum number of simultaneous verifications: the number of Node's threads. Packets below the first rank leave
 * one thread free.
 */
const CONCURRENT = 4;
const CONCURRENT_OTHERS = 3;

/**
 * From this number of waiting packets in one known peer's name on, outside its queues that go on, the newest packet is
 * verified first: the packets may be a flood of forged ones. A pipe's first messages may be as many, but the rest of
 * its messages get the first rank as soon as one is accepted.
 */
const CLAIMS_CROWD = 8;

/** Whether the source signed the packet; "full" when that could not be found out. */
type Verdict = boolean | "full";

/**
 * A check that takes longer than this is given up, in ms, because the verifier may hang. Its place is then free for
 * others.
 */
const CHECK_PATIENCE_MS = 5000;

/** The maximum number of copies of a waiting packet: more than one for each broker. */
const MAX_COPIES = 32;

/** The number of payloads whose result is kept, because copies of a message come by several brokers. */
const KEPT_RESULTS = 512;

/** For this time after a packet of the first rank, the other ranks leave room for the next one, in ms. */
const CONTESTED_MS = 1000;

/**
 * The pause of the other ranks after a check, as a multiple of the time of the check. So they get a quarter of one
 * core.
 */
const REST = 3;

/**
 * The longest time of a check that counts for the pause, in ms. On a busy machine a check may take longer, but does not
 * cost more.
 */
const LONGEST_CHECK_MS = 20;

/**
 * How long checks may follow each other before everything else has its turn, in ms. Results that are known need no
 * wait.
 */
const BURST_MS = 4;

/**
 * Verifies packets, a few at a time. The number of waiting packets is limited. Higher ranks come first, and within a
 * rank the sources take turns, so a flood from one source cannot starve the others. While packets of the first rank
 * come, the other ranks get only a part of the time. Equal bytes are verified once.
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
  /** When the current series of checks began; undefined when everything else had its turn and no check followed. */
  #burstAt: number | undefined;
  /** Whether waiting packets must be checked after everything else had its turn. */
  #isInterrupted = false;

  /** @param onFailed - called when the verify function threw, rejected or took too long */
  constructor(verify: Verify, onFailed: (error: unknown) => void = () => {}) {
    this.#verify = verify;
    this.#onFailed = onFailed;
  }

  /**
   * Finds out whether the packet's source signed it.
   * @param way - the broker that the packet came by. Forged packets in a known peer's name that come by one broker do
   * not delay the peer's packets that come by another
   * @param use - called with the result; its time counts for the rank
   * @returns the result of `use`, or "full" when there was no room to wait
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
      // After a pause, copies of many messages come at once. Copies share the room of their message.
      const source = rank === 1 ? packet.source + way : packet.source;
      const same = line.renew(source, (job) => isSame(job.payload, payload));
      if (same === undefined) {
        refuse(line.add(source, { packet, payload, rank, uses: [end] }));
        this.#next();
      } else if (same.uses.length < MAX_COPIES) same.uses.push(end);
      else end("full");
    });
  }

  /** Forgets all waiting packets. */
  close(): void {
    this.#restAlarm.clear();
    this.#patience.close();
    for (const line of this.#lines) line.clear();
  }

  /** Starts checks as far as the limits allow. */
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

  /** Whether another check may follow at once. If not, the checks go on after everything else had its turn. */
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
    // A copy shares the result, so it takes no thread.
    const threads = known === undefined ? 1 : 0;
    const others = rank === 0 ? 0 : 1;
    this.#running += threads;
    this.#others += others;
    const result = known ?? this.#check(packet);
    this.#results.set(id, result, rank < 2);
    const valid = await result;
    // So the packet is checked again when it comes again.
    if (valid === "full") this.#results.delete(id);
    this.#running -= threads;
    // Work that `use` does at once, such as opening a sealed message, is included in the measured time.
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
      // A verifier of the caller may throw. Then the signature does not count as valid.
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
  // The sources are equal, so the comparison begins with the signature, where different packets differ at once.
  for (let i = PUBLIC_KEY_BYTES; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
