/** How often it is looked whether the process has stood still, ms. */
const LOOK_MS = 5000;

/** A pause that is longer is a sleep, ms: NATs may have forgotten, the network may be another. */
const SLEPT_MS = 15_000;

/**
 * Notices that the machine or the process has slept: by the wall clock, which goes on while a machine is suspended,
 * and by the monotonic one, which goes on while a process is stopped.
 */
export class SleepWatch {
  readonly #timer: NodeJS.Timeout;

  /** @param wallNow - Unix ms */
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
