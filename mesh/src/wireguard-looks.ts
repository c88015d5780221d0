import type { Device } from "./device/device.js";
import type { DeviceState } from "./device/state.js";
import type { LooksWanted } from "./path/facts.js";

/** The pause between two looks, in ms. The peer with the most urgent wish decides. */
const PACES_MS: Readonly<Record<LooksWanted, number>> = { soon: 100, usual: 5_000, rare: 15_000 };

/** How often to check whether a look is due earlier, in ms. This check costs nothing, while a look starts a process. */
const ASK_MS = 1_000;

/** A result that is newer than this is reused for a caller, in ms. */
const FRESH_MS = 200;

/** What the looks need. */
export interface LooksMeans {
  readonly device: Pick<Device, "read">;
  /** The pause between two looks, in ms. */
  readonly pace: () => number;
  readonly onState: (state: DeviceState) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * The pace that is enough for all peers, in ms. Without peers the usual pace is used, because some are probably about
 * to be added.
 */
export function paceOf(wanted: readonly LooksWanted[]): number {
  if (wanted.length === 0) return PACES_MS.usual;
  return Math.min(PACES_MS.rare, ...wanted.map((one) => PACES_MS[one]));
}

/** Looks at WireGuard, which reports nothing by itself: often while something is expected, otherwise at intervals. */
export class WireGuardLooks {
  readonly #means: LooksMeans;
  #timer: NodeJS.Timeout | undefined;
  #lookedAt: number = performance.now();
  #looking: Promise<void> | undefined;
  #isClosed = false;

  constructor(means: LooksMeans) {
    this.#means = means;
  }

  /** Schedules the next look. */
  later(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    const pace = this.#means.pace();
    const wait = this.#lookedAt + pace - performance.now();
    if (wait > 0) this.#timer = setTimeout(() => this.later(), Math.min(wait, ASK_MS));
    else void this.#look();
  }

  /** Looks at once. Resolves when the result was handled. */
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
