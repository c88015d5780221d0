import { platform } from "#platform";
import { monotonicNow } from "../base/alarm.js";
import { startTimer } from "../base/timer.js";

/** Something that has packets to read. */
export interface Reader {
  /**
   * Reads packets, and does what they ask for.
   * @param mayGoOn - to be asked after each: whether another may be read now
   * @returns whether there is more
   */
  read(mayGoOn: () => boolean): boolean;
}

/** How long reading goes on at a stretch, over all connections, ms: then everything else has its turn. */
const STRETCH_MS = 5;

/** Of what is left over so much is read for each connection in turn, ms. */
const TURN_MS = 1;

/** A packet costs one unit, and what comes in costs one for so many bytes. */
const BYTES_PER_UNIT = 1024;

/** What each connection may have read without waiting for others: units after a pause, and for each ms. */
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

/** What is known of a connection. */
interface Place {
  readonly account: Account;
  /** What came in, and nobody has paid for. */
  unpaidBytes: number;
}

/**
 * Shares the thread's time out among the connections of a router. What comes in is read at once, for a few
 * milliseconds; what is more waits, one connection after the other, with everything else in between. Each has an
 * allowance of its own and all of them a common one beyond, so that a flood by one broker holds up no other.
 */
export class ReadScheduler {
  readonly #places = new WeakMap<Reader, Place>();
  readonly #common = new Account(COMMON);
  /** Those that have more to read, in the order of their turns. */
  readonly #waiting = new Set<Reader>();
  #stretchEndsAt = 0;
  #isScheduled = false;

  /**
   * Reads what has come in, now or later.
   * @param bytes - how much of it is new
   * @returns whether all of it has been read; else {@link Reader.read} is called again by and by
   */
  serve(reader: Reader, bytes: number): boolean {
    const now = monotonicNow();
    const place = this.#place(reader);
    place.unpaidBytes += bytes;
    if (!this.#waiting.has(reader) && place.account.has(now)) {
      const until = this.#stretch(now);
      if (now < until && !read(reader, place, place.account, until)) return true;
    }
    this.#waiting.add(reader);
    this.#schedule(0);
    return false;
  }

  /** A connection is over. */
  forget(reader: Reader): void {
    this.#waiting.delete(reader);
  }

  #place(reader: Reader): Place {
    let place = this.#places.get(reader);
    if (place === undefined) {
      place = { account: new Account(OWN), unpaidBytes: 0 };
      this.#places.set(reader, place);
    }
    return place;
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
    const reader = this.#next(now);
    if (reader === undefined) return PAUSE_MS;
    const place = this.#place(reader);
    const account = place.account.has(now) ? place.account : this.#common;
    this.#waiting.delete(reader);
    if (read(reader, place, account, now + TURN_MS)) this.#waiting.add(reader);
    return 0;
  }

  /** The first that can pay for itself, or that may be paid for. */
  #next(now: number): Reader | undefined {
    for (const reader of this.#waiting) if (this.#place(reader).account.has(now)) return reader;
    const [first] = this.#waiting;
    return this.#common.has(now) ? first : undefined;
  }
}

function read(reader: Reader, place: Place, account: Account, until: number): boolean {
  account.take(place.unpaidBytes / BYTES_PER_UNIT);
  place.unpaidBytes = 0;
  return reader.read(() => {
    account.take(1);
    const now = monotonicNow();
    return now < until && account.has(now);
  });
}
