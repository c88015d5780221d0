import type { SendOptions, SmartPipe } from "sidewire";
import type { PresenceState } from "./chat-view.js";
import { pause } from "./interrupt.js";

/**
 * After this silence the peer is probed, in ms. A probe of an absent peer uses every broker, so probes must be rare.
 */
const ASK_AFTER_MS = 10_000;

/** Tracks whether a peer is there: by its messages and ACKs, and by probes during silence. */
export class Presence {
  readonly #pipe: Pick<SmartPipe, "probe">;
  readonly #options: SendOptions;
  readonly #onChange: (state: PresenceState) => void;
  readonly #stopped = new AbortController();
  #present: boolean | undefined;
  #heardAt = Number.NEGATIVE_INFINITY;

  constructor(
    pipe: Pick<SmartPipe, "probe">,
    options: SendOptions,
    onChange: (state: PresenceState) => void,
  ) {
    this.#pipe = pipe;
    this.#options = options;
    this.#onChange = onChange;
  }

  start(): void {
    void this.#watch();
  }

  /** Must be called when a message or an ACK of the peer came. */
  heard(roundTripMs?: number): void {
    this.#heardAt = performance.now();
    this.#tell({ present: true, ...(roundTripMs === undefined ? {} : { roundTripMs }) });
  }

  /** Must be called when a message got no ACK. */
  missed(): void {
    this.#tell({ present: false });
  }

  stop(): void {
    this.#stopped.abort();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#stopped;
    let answeredAt = Number.NEGATIVE_INFINITY;
    while (!signal.aborted) {
      const askedAt = performance.now();
      const left = Math.max(this.#heardAt, answeredAt) + ASK_AFTER_MS - askedAt;
      if (left > 0) {
        await pause(left, signal);
        continue;
      }
      // The probe fails when the chat has ended.
      const found = await this.#pipe.probe({ ...this.#options, signal }).catch(() => undefined);
      if (found === undefined) return;
      answeredAt = performance.now();
      if (found.reachable) this.heard(found.brokers[0]?.roundTripMs);
      else if (this.#heardAt < askedAt) this.missed();
    }
  }

  #tell(state: PresenceState): void {
    if (this.#stopped.signal.aborted || state.present === this.#present) return;
    this.#present = state.present;
    this.#onChange(state);
  }
}
