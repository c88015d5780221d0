/** How often the clocks are compared, in ms. */
const LOOK_MS = 5000;

/**
 * A longer pause than this counts as sleep, in ms. After that, NATs may have forgotten their mappings, and the network
 * may be another one.
 */
const SLEPT_MS = 15_000;

/**
 * Notices that the machine or the process has slept. The wall clock goes on while a machine is suspended. The monotonic
 * clock goes on while a process is stopped.
 */
export class SleepWatch {
  readonly #timer: NodeJS.Timeout;

  /** @param wallNow - returns Unix ms */
  constructor(wallNow: () => number, onWoke: () => void) {
    let wall = wallNow();
    let monotonic = performance.now();
    this.#timer = setInterval(() => {
      const slept = Math.max(wallNow() - wall, performance.now() - monotonic) > SLEPT_MS;
      wall = wallNow();
      monotonic = performance.now();
      if (slept) onWoke();
    }, LOOK_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
