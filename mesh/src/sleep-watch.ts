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
  readonly #wallNow: () => number;
  readonly #onWoke: () => void;
  readonly #timer: NodeJS.Timeout;
  #wall: number;
  #monotonic = performance.now();

  /** @param wallNow - returns Unix ms */
  constructor(wallNow: () => number, onWoke: () => void) {
    this.#wallNow = wallNow;
    this.#onWoke = onWoke;
    this.#wall = wallNow();
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
  }

  /**
   * Must be called when a packet comes in. What has waited while the process was stopped may come before the timer.
   * @returns whether the process has just slept
   */
  packetCame(): boolean {
    return performance.now() - this.#monotonic > SLEPT_MS && this.#look();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): boolean {
    const [wall, monotonic] = [this.#wallNow(), performance.now()];
    const slept = Math.max(wall - this.#wall, monotonic - this.#monotonic) > SLEPT_MS;
    this.#wall = wall;
    this.#monotonic = monotonic;
    if (slept) this.#onWoke();
    return slept;
  }
}
