/** How far behind the newest probe a late one may be and still count. At the highest rate of one peer this is 4 s. */
const WINDOW = 256;

/**
 * Recognises repeated probes of one peer. It remembers the newest boot and counter, and which of the 256 counters up to
 * it came in. So its memory is constant, however long and whatever the peer sends.
 */
export class ReplayGuard {
  #boot: bigint;
  #newest = -1;
  /** Bit `counter % WINDOW` for each counter in the window. */
  readonly #seen = new Uint32Array(WINDOW / 32);

  /** @param boot - the newest known boot; older ones are replays */
  constructor(boot = 0n) {
    this.#boot = boot;
  }

  /** Whether a probe is new, and of the newest or a newer boot. */
  isNew(boot: bigint, counter: number): boolean {
    if (boot !== this.#boot) return boot > this.#boot;
    if (counter > this.#newest) return true;
    return counter > this.#newest - WINDOW && ((this.#seen[slot(counter)] ?? 0) & bit(counter)) === 0;
  }

  /** Remembers a probe whose integrity was checked and for which `isNew` is true. */
  accept(boot: bigint, counter: number): void {
    if (boot !== this.#boot) {
      this.#boot = boot;
      this.#newest = -1;
      this.#seen.fill(0);
    }
    if (counter - this.#newest >= WINDOW) this.#seen.fill(0);
    else for (let passed = this.#newest + 1; passed < counter; passed++) this.#clear(passed);
    this.#newest = Math.max(this.#newest, counter);
    this.#seen[slot(counter)] = (this.#seen[slot(counter)] ?? 0) | bit(counter);
  }

  #clear(counter: number): void {
    this.#seen[slot(counter)] = (this.#seen[slot(counter)] ?? 0) & ~bit(counter);
  }
}

function slot(counter: number): number {
  return (counter % WINDOW) >>> 5;
}

function bit(counter: number): number {
  return 1 << (counter & 31);
}
