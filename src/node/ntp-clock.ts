import { onAbort, throwIfAborted } from "../base/abort.js";
import { monotonicNow } from "../base/alarm.js";
import { SidewireError } from "../base/errors.js";
import { aSignal, check, listOf, number, optional, or, readOptions } from "../base/schema.js";
import { startTimer } from "../base/timer.js";
import { agree, distanceAt, MIN_POLL_MS, type Reading, TimeServer } from "./time-server.js";

/** The options of {@link ntpClock}. */
export interface NtpClockOptions {
  /**
   * The time servers, 1 to 16: `host` or `host:port`, and IPv6 with a port as `[::1]:123`. Default:
   * `time.cloudflare.com`, `any.time.nl` and `ntp.se`. These three operators offer time to everyone, and do not smear
   * leap seconds.
   *
   * Don't mix them with servers that smear leap seconds (Google, Amazon, Meta). Don't ship `pool.ntp.org` as the
   * default of your own product: the pool's rules require a zone of its own for each product
   * (https://www.ntppool.org/vendors.html).
   *
   * With three or more servers, one wrong server is outvoted. If two servers contradict each other, neither is
   * believed. One address of each family of a name is asked. The next address is asked when that one fails or stays
   * silent for 250 ms.
   */
  servers?: readonly string[] | undefined;
  /**
   * How long to wait for answers, in ms. After half of this time, silent servers are asked again. Default: 4000; 10 to
   * 60 000.
   */
  timeoutMs?: number | undefined;
  /**
   * How often to ask the servers, in ms; each pause is up to a tenth longer. Default: 3 600 000; at least 16 000, or 10
   * when `servers` is given.
   */
  refreshMs?: number | undefined;
  /** Ends the wait for the first answers. Later, `close` ends the clock. */
  signal?: AbortSignal | undefined;
}

/** A clock that follows time servers; see {@link ntpClock}. */
export interface NtpClock extends Disposable {
  /**
   * Unix milliseconds, with a fraction. The value never decreases. The function needs no `this`: `getTime: clock.now`.
   */
  readonly now: () => number;
  /** How far the system's clock is behind this clock, in ms; negative when the system's clock is ahead. */
  readonly offsetMs: number;
  /**
   * The maximum error of `now()` in ms, if most servers are honest. The bound is the sum of: half of the round trip,
   * the servers' own error bounds, the differences between the servers, a drift of 100 ppm since the last answers, the
   * part of a correction that is not done yet, and any jump of the system's clock since the last answers.
   */
  readonly errorBoundMs: number;
  /** When the servers last agreed, in Unix milliseconds of this clock. */
  readonly updatedAt: number;
  /**
   * Stops the corrections, and releases all timers, sockets and listeners. `now()` still works. A second call does
   * nothing.
   */
  close(): void;
}

const DEFAULT_SERVERS: readonly string[] = ["time.cloudflare.com", "any.time.nl", "ntp.se"];

interface Settings {
  readonly servers?: readonly TimeServer[];
  readonly timeoutMs: number;
  readonly refreshMs: number;
  readonly signal?: AbortSignal;
}

const SETTLING_POLLS = 4; // the first polls follow each other quickly, so that the best of several answers soon counts
const RETRY_MS = 4000; // the pause after a failure; doubled after each further failure
const MAX_RETRY_MS = 3_600_000;
const GRACE_MS = 250; // the extra time for other servers, after most servers have answered and agree
const SLEW = 0.5; // a clock that is ahead runs at half speed until it is right; nothing is paced by this clock
const WATCH_MS = 5000; // how long a wake-up stays unnoticed, at most
const JUMP_MS = 1000; // a larger jump between the two clocks means that the machine slept, or its clock was set

/**
 * A clock corrected by SNTP (RFC 4330; client mode of RFC 5905), for a router on a machine whose own clock may be
 * wrong. The promise resolves as soon as most of the servers have answered and agree. Between answers, the clock counts
 * by the monotonic clock. The system's clock never influences `now()`.
 *
 * For each server the best recent answer counts. The time is the median of the servers. A correction forwards is made
 * at once. For a correction backwards the clock runs at half speed, so a correction by one hour takes two hours. If the
 * monotonic clock stops during sleep (Linux), `now()` is behind by the length of the sleep after a wake-up, until the
 * servers have answered. They are asked within 5 s of the wake-up. `errorBoundMs` includes both effects.
 *
 * When no server answers, or no majority agrees, the clock goes on as before. The servers are asked again after 4 s, 8
 * s, 16 s and so on, up to one hour. A kiss-o'-death is obeyed: after `DENY` or `RSTR` the address is never asked
 * again, after `RATE` half as often.
 *
 * Answers are not authenticated: an attacker on the way to most of the servers can set this clock. An open clock does
 * not keep the process alive. Only a running look-up of a name does.
 *
 * @throws `SidewireError` (as a rejection): `INVALID_OPTION`; `ABORTED`; `NO_TIME` when no server answers, or no
 * majority of the answers agrees; the error's text lists the outcome of each server
 * @example
 * ```ts
 * import { Keypair, Router } from "sidewire";
 * import { ntpClock } from "sidewire/node";
 *
 * using clock = await ntpClock();
 * await using router = new Router(Keypair.generate(), { getTime: clock.now });
 * ```
 */
export async function ntpClock(options: NtpClockOptions = {}): Promise<NtpClock> {
  const { timeoutMs, signal, ...rest } = readOptions<Settings>(options, {
    servers: optional(listOf((value, _, path) => TimeServer.parse(value, path))),
    timeoutMs: or(number(10, 60_000), 4000),
    refreshMs: or(number(0), 3_600_000),
    signal: aSignal,
  });
  const servers = rest.servers ?? DEFAULT_SERVERS.map((name) => TimeServer.parse(name, "servers"));
  check(servers.length > 0 && servers.length <= 16, "INVALID_OPTION", "servers", "a list of 1 to 16");
  const least = rest.servers === undefined ? MIN_POLL_MS : 10;
  const refreshMs = number(least, 2 ** 31 - 1)(rest.refreshMs, "INVALID_OPTION", "refreshMs");
  // One vote for each server, even if it is named twice.
  const unique = [...new Map(servers.map((server) => [server.key, server])).values()];
  const clock = new Clock(unique, timeoutMs, refreshMs);
  await clock.start(signal);
  return clock;
}

class Clock implements NtpClock {
  readonly #servers: readonly TimeServer[];
  readonly #timeoutMs: number;
  readonly #refreshMs: number;
  #time: Reading = { epoch: Number.NEGATIVE_INFINITY, distance: 0, at: 0 };
  /** How far `now()` was ahead of the servers when they last agreed. */
  #ahead = 0;
  #shown = Number.NEGATIVE_INFINITY;
  /**
   * The difference between the system's clock and the monotonic clock, when the servers last agreed and at the last
   * look.
   */
  #gap = { agreed: 0, seen: 0 };
  #polls = 0;
  #failures = 0;
  #due = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #poll: AbortController | undefined;
  #closed = false;

  constructor(servers: readonly TimeServer[], timeoutMs: number, refreshMs: number) {
    this.#servers = servers;
    this.#timeoutMs = timeoutMs;
    this.#refreshMs = refreshMs;
  }

  readonly now = (): number => {
    const at = monotonicNow();
    // Rounding errors could make the sum a little smaller than the value before.
    this.#shown = Math.max(this.#shown, at + this.#time.epoch + this.#aheadAt(at));
    return this.#shown;
  };

  get offsetMs(): number {
    return this.now() - Date.now();
  }

  get errorBoundMs(): number {
    const at = monotonicNow();
    // Nobody knows which of the two clocks is right, but when their difference changes, one of them is wrong.
    const jump = Math.abs(Date.now() - at - this.#gap.agreed);
    return distanceAt(this.#time, at) + this.#aheadAt(at) + (jump > JUMP_MS ? jump : 0);
  }

  get updatedAt(): number {
    return this.#time.at + this.#time.epoch;
  }

  async start(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    await this.#ask(true, signal);
    this.#wait(Math.min(MIN_POLL_MS, this.#refreshMs));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#poll?.abort();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #aheadAt(at: number): number {
    return Math.max(0, this.#ahead - SLEW * (at - this.#time.at));
  }

  #wait(ms: number): void {
    // A random part, so that processes that were started together do not always ask together.
    this.#due = monotonicNow() + ms * (1 + 0.1 * Math.random());
    this.#watch();
  }

  #watch(): void {
    if (this.#closed) return;
    // Timers stop during sleep, as the monotonic clock does, so no timer is long.
    const ms = Math.min(Math.max(Math.ceil(this.#due - monotonicNow()), 0), WATCH_MS);
    this.#timer = setTimeout(() => void this.#look(), ms).unref();
  }

  async #look(): Promise<void> {
    const at = monotonicNow();
    const gap = Date.now() - at;
    if (Math.abs(gap - this.#gap.seen) > JUMP_MS) {
      this.#gap.seen = gap;
      this.#failures = 0;
      this.#due = at;
      for (const server of this.#servers) server.forget();
    }
    if (at < this.#due) return this.#watch();
    try {
      await this.#ask(false, undefined);
      this.#wait(this.#polls < SETTLING_POLLS ? Math.min(MIN_POLL_MS, this.#refreshMs) : this.#refreshMs);
    } catch {
      const ms = Math.min(RETRY_MS, this.#refreshMs) * 2 ** this.#failures++;
      this.#wait(Math.min(ms, Math.max(MAX_RETRY_MS, this.#refreshMs)));
    }
  }

  /** Asks all servers at once, and sets the clock to the time that they agree on. */
  async #ask(ref: boolean, signal: AbortSignal | undefined): Promise<void> {
    // Measured before the poll: if the machine sleeps during the poll, the answers are wrong, and this difference shows
    // it.
    const gap = Date.now() - monotonicNow();
    const poll = new AbortController();
    this.#poll = poll;
    const end = (): void => poll.abort();
    const stopListening = onAbort(signal, end);
    const stopTimers = [startTimer(this.#timeoutMs, end, ref)];
    const manner = { repeatMs: this.#timeoutMs / 2, refreshMs: this.#refreshMs, ref };
    const readings: Reading[] = [];
    const reports = await Promise.all(
      this.#servers.map(async (server) => {
        try {
          const reading = await server.read(manner, poll.signal);
          readings.push(reading);
          if (agree(readings, this.#servers.length)) stopTimers.push(startTimer(GRACE_MS, end, ref));
          return `${server.name}: ${new Date(reading.epoch + monotonicNow()).toISOString()}`;
        } catch (error) {
          const reason = poll.signal.aborted ? `no answer within ${this.#timeoutMs} ms` : messageOf(error);
          return `${server.name}: ${reason}`;
        }
      }),
    );
    end(); // stops the slower addresses of servers that have answered
    for (const stop of stopTimers) stop();
    stopListening();
    throwIfAborted(signal);
    // Answers are ignored after the close: no caller expects a correction any more.
    if (this.#closed) return;
    const time = agree(readings, readings.length);
    if (time === undefined) {
      const problem = readings.length === 0 ? "no time server answered" : "the time servers disagree";
      throw new SidewireError("NO_TIME", `${problem} (${reports.join("; ")})`);
    }
    this.#ahead = Math.max(0, this.#time.epoch + this.#aheadAt(time.at) - time.epoch);
    this.#time = time;
    this.#gap = { agreed: gap, seen: gap };
    this.#failures = 0;
    this.#polls++;
  }
}

function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join(", ");
  return error instanceof Error ? error.message : String(error);
}
