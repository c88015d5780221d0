import type { Device } from "./device/device.js";
import type { DeviceState } from "./device/state.js";
import type { LooksWanted } from "./path/facts.js";

/** How long after one look the next one is due, ms: as soon as the peer that wants it the most wants it. */
const PACES_MS: Readonly<Record<LooksWanted, number>> = { soon: 100, usual: 5_000, rare: 15_000 };

/** How often it is asked whether a look has become due sooner, ms. That costs nothing; a look is a process. */
const ASK_MS = 1_000;

/** What was looked at so little ago is not looked at again for somebody who asks, ms. */
const FRESH_MS = 200;

/** What looks work with. */
export interface LooksMeans {
  readonly device: Pick<Device, "read">;
  /** How long after one look the next is due, ms. */
  readonly pace: () => number;
  readonly onState: (state: DeviceState) => void;
  readonly onError: (error: unknown) => void;
}

/** The pace that is enough for every peer, ms. Where there is none yet, somebody is about to add one. */
export function paceOf(wanted: readonly LooksWanted[]): number {
  if (wanted.length === 0) return PACES_MS.usual;
  return Math.min(PACES_MS.rare, ...wanted.map((one) => PACES_MS[one]));
}

/** Looks at WireGuard, which tells nobody what happens to it: soon while something is to be seen, else now and then. */
export class WireGuardLooks {
  readonly #means: LooksMeans;
  #timer: NodeJS.Timeout | undefined;
  #lookedAt: number = performance.now();
  #looking: Promise<void> | undefined;
  #isClosed = false;

  constructor(means: LooksMeans) {
    this.#means = means;
  }

  /** Looks again when it is time. */
  later(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const pace = this.#means.pace();
    const wait = this.#lookedAt + pace - performance.now();
    if (wait > 0) this.#timer = setTimeout(() => this.later(), Math.min(wait, ASK_MS));
    else void this.#look();
  }

  /** Looks at once. Resolves when what is there was taken in. */
  async now(): Promise<void> {
    if (!this.#isClosed && performance.now() - this.#lookedAt > FRESH_MS) await this.#look();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #look(): Promise<void> {
    const { device, onState, onError } = this.#means;
    clearTimeout(this.#timer);
    this.#looking ??= device
      .read()
      .then((state) => {
        if (!this.#isClosed) onState(state);
      })
      .catch(onError)
      .then(() => {
        this.#looking = undefined;
        this.#lookedAt = performance.now();
        this.later();
      });
    return this.#looking;
  }
}
