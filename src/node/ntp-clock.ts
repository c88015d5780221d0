import { onAbort, throwIfAborted } from "../base/abort.js";
import { monotonicNow } from "../base/alarm.js";
import { SidewireError } from "../base/errors.js";
import { aSignal, check, listOf, number, optional, or, readOptions } from "../base/schema.js";
import { startTimer } from "../base/timer.js";
import { agree, distanceAt, MIN_POLL_MS, type Reading, TimeServer } from "./time-server.js";

/** What {@link ntpClock} takes. */
export interface NtpClockOptions {
  /**
   * `host` or `host:port`, IPv6 with a port as `[::1]:123`; 1 to 16. Default: `time.cloudflare.com`,
   * `any.time.nl` and `ntp.se`: three operators that offer time to everyone and leave leap seconds as they
   * are. Don't mix them with servers that smear (Google, Amazon, Meta), and don't ship `pool.ntp.org` as a
   * default of your own: its rules ask a product for a zone of its own (https://www.ntppool.org/vendors.html).
   * Three or more outvote one that lies; of two that contradict each other neither is believed. Of a name one
   * address of each family is asked, a further one when that fails or says nothing for 250 ms.
   */
  servers?: readonly string[] | undefined;
  /** How long to wait for answers, ms; half-way, silent servers are asked again. Default: 4000; 10 to 60 000. */
  timeoutMs?: number | undefined;
  /** How often to ask, ms, or up to a tenth more. Default: 3 600 000; from 16 000, or 10 with `servers` given. */
  refreshMs?: number | undefined;
  /** Ends the wait for the first answers; later on, `close` does. */
  signal?: AbortSignal | undefined;
}

/** A clock that follows time servers; see {@link ntpClock}. */
export interface NtpClock extends Disposable {
  /** Unix milliseconds, with a fraction; never less than before. Needs no `this`: `getTime: clock.now`. */
  readonly now: () => number;
  /** How far the system's clock is behind this one, ms; negative if it is ahead. */
  readonly offsetMs: number;
  /**
   * How far `now()` may be off while most servers are honest, ms: half of the way there and back, what the
   * servers say of themselves, how far they differ, 100 ppm since then, what is still to be slewed, and any
   * jump of the system's clock since then.
   */
  readonly errorBoundMs: number;
  /** When the servers last agreed, in Unix milliseconds of this clock. */
  readonly updatedAt: number;
  /** Leaves no timer, socket or listener; `now()` goes on uncorrected. Twice is once. */
  close(): void;
}

const DEFAULT_SERVERS: readonly string[] = ["time.cloudflare.com", "any.time.nl", "ntp.se"];

interface Settings {
  readonly servers?: readonly TimeServer[];
  readonly timeoutMs: number;
  readonly refreshMs: number;
  readonly signal?: AbortSignal;
}

const SETTLING_POLLS = 4; // so far apart at first, so that the best of several answers soon counts
const RETRY_MS = 4000; // after a failure; twice that after the second …
const MAX_RETRY_MS = 3_600_000;
const GRACE_MS = 250; // for the others, once most servers have answered and agree
const SLEW = 0.5; // a clock that is ahead runs at half speed: being right matters, nothing is paced by it
const WATCH_MS = 5000; // how soon a wake-up is noticed
const JUMP_MS = 1000; // when system and monotonic clock part by more, the machine slept, or was set

/**
 * A clock corrected by SNTP (RFC 4330; client mode of RFC 5905), for a router on a machine whose own clock
 * cannot be trusted. Resolves as soon as most of the servers have answered and agree. In between it counts by
 * the monotonic clock: what the system's clock shows, or is set to, never enters `now()`.
 *
 * Of each server the best recent answer counts, and the time is the median of the servers. A correction
 * forwards is made at once; one backwards by running at half speed, so an hour takes two. Where the monotonic
 * clock stops during sleep (Linux), `now()` is late by the sleep's length on waking, until the servers have
 * answered: they are asked within 5 s. `errorBoundMs` contains both.
 *
 * When nobody answers, or no majority agrees, the clock runs on as it was and asks after 4 s, 8 s, 16 s …, at
 * most an hour apart. A kiss-o'-death is obeyed: after `DENY` or `RSTR` the address is never asked again, after
 * `RATE` half as often. Answers are not authenticated: whoever sits on the way to most of the servers can set
 * this clock. An open clock does not keep the process alive; a name being looked up does, for that long.
 *
 * @throws `SidewireError` (as a rejection) `INVALID_OPTION`; `ABORTED`; `NO_TIME` when no server answers,
 *   or no majority of those that do agrees, with what became of each
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
  // One vote each, however often it is named.
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
  /** The system's clock less the monotonic one, when the servers last agreed and when last looked at. */
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
    // Rounding alone could make the sum a little less than the one before.
    this.#shown = Math.max(this.#shown, at + this.#time.epoch + this.#aheadAt(at));
    return this.#shown;
  };

  get offsetMs(): number {
    return this.now() - Date.now();
  }

  get errorBoundMs(): number {
    const at = monotonicNow();
    // Neither clock is an authority, but when they part, one of them is wrong.
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
    // Spread, so that processes started together don't ask together for ever.
    this.#due = monotonicNow() + ms * (1 + 0.1 * Math.random());
    this.#watch();
  }

  #watch(): void {
    if (this.#closed) return;
    // Timers stand still during sleep like the monotonic clock, so none is long.
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

  /** Asks all servers at once and takes over what they agree on. */
  async #ask(ref: boolean, signal: AbortSignal | undefined): Promise<void> {
    // Of before: if the machine falls asleep in between, the answers are wrong, and this tells.
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
    end(); // for the slower addresses of those that have answered
    for (const stop of stopTimers) stop();
    stopListening();
    throwIfAborted(signal);
    // What had come in by then is let go too: nobody counts on a correction after the end.
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
