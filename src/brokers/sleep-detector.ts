import { Alarm, monotonicNow } from "../base/alarm.js";

/** How often it is looked, ms. */
const LOOK_EVERY_MS = 2000;

/** How far the clocks may move apart between two looks before that was sleep, ms. */
const SLEPT_MS = 10_000;

/**
 * Notices that the machine has slept: the wall clock and the monotonic clock have moved apart, or the
 * last look is long ago. Connections may be dead then without a word.
 */
export class SleepDetector {
  readonly #wallNow: () => number;
  readonly #onWake: () => void;
  readonly #alarm: Alarm = new Alarm((now) => this.#look(now));
  #last: { readonly wall: number; readonly now: number } | undefined;

  /** @param wallNow - the wall clock, ms; may throw, which says nothing of sleep */
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
      // Taken to have gone on as it should.
    }
    const drift = Math.abs(wall - (last?.wall ?? wall) - passed);
    this.#last = { wall, now };
    if (drift > SLEPT_MS || passed > SLEPT_MS) this.#onWake();
    return now + LOOK_EVERY_MS;
  }
}
