import { platform } from "#platform";
import { monotonicNow } from "../base/alarm.js";
import { startTimer } from "../base/timer.js";

/** A connection with packets to read. */
export interface Reader {
  /**
   * Reads and handles packets.
   * @param mayGoOn - must be called after each packet; tells whether another packet may be read now
   * @returns whether there is more to read
   */
  read(mayGoOn: () => boolean): boolean;
}

/** How long reading may go on at once over all connections, in ms. Then everything else has its turn. */
const STRETCH_MS = 5;

/** How long each waiting connection may read in its turn, in ms. */
const TURN_MS = 1;

/** Each packet costs one unit. In addition, this number of received bytes costs one unit. */
const BYTES_PER_UNIT = 1024;

/** The allowance of each connection: units after a pause, and units per ms. */
const OWN: Allowance = { burst: 4000, perMs: 2 };

/** The common allowance of all connections, for reading beyond their own. */
const COMMON: Allowance = { burst: 500, perMs: 10 };

/** How long to wait when all allowances are used up, in ms. */
const PAUSE_MS = 2;

interface Allowance {
  readonly burst: number;
  readonly perMs: number;
}

/** The remaining units of an allowance. */
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

/** The state of a connection. */
interface Place {
  readonly account: Account;
  /** Received bytes that were not charged to an account yet. */
  unpaidBytes: number;
}

/**
 * Shares the thread's time among the connections of a router. Received bytes are read at once, for a few milliseconds.
 * The rest waits: the connections take turns, and everything else has its turn in between.
 *
 * Each connection has its own allowance, and all of them share a common one. So a flood from one broker does not delay
 * the others.
 */
export class ReadScheduler {
  readonly #places = new WeakMap<Reader, Place>();
  readonly #common = new Account(COMMON);
  /** The connections with more to read, in the order of their turns. */
  readonly #waiting = new Set<Reader>();
  #stretchEndsAt = 0;
  #isScheduled = false;

  /**
   * Reads received bytes, now or later.
   * @param bytes - the number of new bytes
   * @returns whether everything has been read; if not, {@link Reader.read} is called again later
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

  /** Must be called when a connection is over. */
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

  /** The end of the current stretch. A stretch begins with the first read in a turn of the event loop. */
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

  /** Reads for one waiting connection. Returns how long to wait before the next read, in ms. */
  #turn(now: number): number {
    const reader = this.#next(now);
    if (reader === undefined) return PAUSE_MS;
    const place = this.#place(reader);
    const account = place.account.has(now) ? place.account : this.#common;
    this.#waiting.delete(reader);
    if (read(reader, place, account, now + TURN_MS)) this.#waiting.add(reader);
    return 0;
  }

  /** The first waiting connection with units of its own; otherwise the first one, if the common allowance has units. */
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
