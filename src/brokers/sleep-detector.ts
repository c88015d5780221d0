import { Alarm, monotonicNow } from "../base/alarm.js";

/** The interval between two looks at the clocks, in ms. */
const LOOK_EVERY_MS = 2000;

/** A difference of more than this between the two clocks counts as sleep, in ms. */
const SLEPT_MS = 10_000;

/**
 * Detects that the machine has slept: the wall clock and the monotonic clock differ, or the last look was long ago.
 * After sleep, connections may be dead without any error.
 */
export class SleepDetector {
  readonly #wallNow: () => number;
  readonly #onWake: () => void;
  readonly #alarm: Alarm = new Alarm((now) => this.#look(now));
  #last: { readonly wall: number; readonly now: number } | undefined;

  /** @param wallNow - the wall clock, in ms; may throw, which is ignored */
  constructor(wallNow: () => number, onWake: () => void) {
    this.#wallNow = wallNow;
    this.#onWake = onWake;
  }

  start(): void {
    this.#alarm.set(this.#look(monotonicNow()));
  }

  stop(): void {
    this.#alarm.clear();
  }

  #look(now: number): number {
    const last = this.#last;
    const passed = now - (last?.now ?? now);
    let wall = (last?.wall ?? 0) + passed;
    try {
      wall = this.#wallNow();
    } catch {
      // The wall clock is assumed to have gone on normally.
    }
    const drift = Math.abs(wall - (last?.wall ?? wall) - passed);
    this.#last = { wall, now };
    if (drift > SLEPT_MS || passed > SLEPT_MS) this.#onWake();
    return now + LOOK_EVERY_MS;
  }
}
