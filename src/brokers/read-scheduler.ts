import { platform } from "#platform";
import { monotonicNow } from "../base/alarm.js";
import { startTimer } from "../base/timer.js";

/** Something that has packets to read. */
export interface Reader {
  /**
   * Reads packets, and does what they ask for.
   * @param goOn - called after each with its length; returns whether there may be another one now
   * @returns whether there is more
   */
  read(goOn: (bytes: number) => boolean): boolean;
}

/** How long reading goes on at a stretch, over all connections, ms: then everything else has its turn. */
const STRETCH_MS = 5;

/** Of what is left over so much is read for each connection in turn, ms. */
const TURN_MS = 1;

/** A packet costs one, and one more for so many bytes. */
const BYTES_PER_UNIT = 8192;

/** What each connection may have read without waiting for others: packets after a pause, and for each ms. */
const OWN: Allowance = { burst: 4000, perMs: 2 };

/** What all of them together may have read beyond that. */
const COMMON: Allowance = { burst: 500, perMs: 10 };

/** Until there is something again of what is used up, ms. */
const PAUSE_MS = 2;

interface Allowance {
  readonly burst: number;
  readonly perMs: number;
}

/** What is left of an allowance. */
class Account {
  readonly #allowance: Allowance;
  #units: number;
  #at = 0;

  constructor(allowance: Allowance) {
    this.#allowance = allowance;
    this.#units = allowance.burst;
  }

  has(now: number): boolean {
    const { burst, perMs } = this.#allowance;
    this.#units = Math.min(burst, this.#units + (now - this.#at) * perMs);
    this.#at = now;
    return this.#units > 0;
  }

  take(units: number): void {
    this.#units -= units;
  }
}

/**
 * Shares the thread's time out among the connections of a router. What comes in is read at once, for a few
 * milliseconds; what is more waits, one connection after the other, with everything else in between. Each has an
 * allowance of its own and all of them a common one beyond, so that a flood by one broker holds up no other.
 */
export class ReadScheduler {
  readonly #accounts = new WeakMap<Reader, Account>();
  readonly #common = new Account(COMMON);
  /** Those that have more to read, in the order of their turns. */
  readonly #waiting = new Set<Reader>();
  #stretchEndsAt = 0;
  #isScheduled = false;

  /**
   * Reads what has come in, now or later.
   * @returns whether all of it has been read; else {@link Reader.read} is called again by and by
   */
  serve(reader: Reader): boolean {
    const now = monotonicNow();
    const account = this.#account(reader);
    if (!this.#waiting.has(reader) && account.has(now)) {
      const until = this.#stretch(now);
      if (now < until && !read(reader, account, until)) return true;
    }
    this.#waiting.add(reader);
    this.#schedule(0);
    return false;
  }

  /** A connection is over. */
  forget(reader: Reader): void {
    this.#waiting.delete(reader);
  }

  #account(reader: Reader): Account {
    let account = this.#accounts.get(reader);
    if (account === undefined) {
      account = new Account(OWN);
      this.#accounts.set(reader, account);
    }
    return account;
  }

  /** When the present stretch ends: it began with the first that was read in this turn of the event loop. */
  #stretch(now: number): number {
    if (this.#stretchEndsAt === 0) {
      this.#stretchEndsAt = now + STRETCH_MS;
      platform.nextTurn(() => {
        this.#stretchEndsAt = 0;
      });
    }
    return this.#stretchEndsAt;
  }

  #schedule(pauseMs: number): void {
    if (this.#isScheduled || this.#waiting.size === 0) return;
    this.#isScheduled = true;
    const go = (): void => {
      this.#isScheduled = false;
      this.#schedule(this.#turn(monotonicNow()));
    };
    if (pauseMs > 0) startTimer(pauseMs, go);
    else platform.nextTurn(go);
  }

  /** Reads for one that waits; returns how long nothing more may be read, ms. */
  #turn(now: number): number {
    const [next] = [...this.#waiting].filter((reader) => this.#account(reader).has(now));
    const [first] = this.#waiting;
    const reader = next ?? (this.#common.has(now) ? first : undefined);
    if (reader === undefined) return PAUSE_MS;
    this.#waiting.delete(reader);
    const account = next === undefined ? this.#common : this.#account(reader);
    if (read(reader, account, now + TURN_MS)) this.#waiting.add(reader);
    return 0;
  }
}

function read(reader: Reader, account: Account, until: number): boolean {
  return reader.read((bytes) => {
    account.take(1 + bytes / BYTES_PER_UNIT);
    const now = monotonicNow();
    return now < until && account.has(now);
  });
}
