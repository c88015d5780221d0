import type { Device } from "./device/device.js";
import type { DeviceState } from "./device/state.js";

/** How often WireGuard is looked at while a handshake is awaited, and else, ms. */
const SOON_MS = 100;
const USUAL_MS = 5000;

/** What looks work with. */
export interface LooksMeans {
  readonly device: Pick<Device, "read">;
  /** Something is to be seen soon. */
  readonly isWatching: () => boolean;
  readonly onState: (state: DeviceState) => void;
  readonly onError: (error: unknown) => void;
}

/** Looks at WireGuard, which tells nobody what happens to it: soon while something is to be seen, else now and then. */
export class WireGuardLooks {
  readonly #means: LooksMeans;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;
  #isClosed = false;

  constructor(means: LooksMeans) {
    this.#means = means;
  }

  /** Looks again when it is time. To be called when that may have become sooner. */
  later(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed) return;
    this.#timer = setTimeout(() => this.#look(), this.#means.isWatching() ? SOON_MS : USUAL_MS);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    await this.#looking;
  }

  #look(): void {
    const { device, onState, onError } = this.#means;
    this.#looking ??= device
      .read()
      .then((state) => {
        if (!this.#isClosed) onState(state);
      })
      .catch(onError)
      .then(() => {
        this.#looking = undefined;
        this.later();
      });
  }
}
