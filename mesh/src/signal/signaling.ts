import { type BrokerPool, Keypair, Router, type RouterOptions } from "sidewire";
import type { BrokerInfo } from "../info.js";
import type { Pair } from "../pair.js";
import { Channel, type OpenAddress } from "./channel.js";

/** What signaling is opened with. */
export interface SignalingOptions {
  readonly brokers: BrokerPool | undefined;
  readonly getTime: () => number;
  /** A broker is connected, and none was before. */
  readonly onReachable: () => void;
}

/** The connections with the brokers, which all peers share, and a channel for each peer on them. */
export class Signaling {
  readonly #common: RouterOptions;
  readonly #owner: Router;

  constructor({ brokers, getTime, onReachable }: SignalingOptions) {
    this.#common = {
      getTime,
      encrypt: true,
      requireEncryption: true,
      // Announces have an order of their own.
      gapTimeoutMs: 0,
    };
    // It owns the connections, and nobody knows its address.
    this.#owner = new Router(Keypair.generate(), { ...this.#common, brokers, accept: () => false });
    let open = 0;
    this.#owner.on("broker", () => {
      const before = open;
      open = this.brokers().filter(({ state }) => state === "open").length;
      if (before === 0 && open > 0) onReachable();
    });
    // It goes on trying when none answers.
    this.#owner.start().catch(() => {});
  }

  channel(pair: Pair, onAnnounce: (bytes: Uint8Array) => void): Channel {
    return new Channel(pair, this.openAddress, onAnnounce);
  }

  /** Opens an address of any kind on the same connections. It is to be started. */
  readonly openAddress: OpenAddress = (identity, options) =>
    new Router(identity, { ...this.#common, ...options, over: this.#owner });

  brokers(): BrokerInfo[] {
    return this.#owner.stats().brokers.map(({ host, port, state, lastError }) => ({
      host,
      port: port ?? 0,
      state,
      error: lastError,
    }));
  }

  /** The network has changed: sessions over what was there before are dead, and nobody has said so. */
  networkChanged(): void {
    this.#owner.networkChanged();
  }

  async close(): Promise<void> {
    await this.#owner.close({ signal: AbortSignal.abort() });
  }
}
