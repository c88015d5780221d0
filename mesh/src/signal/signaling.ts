import { type BrokerPool, Keypair, Router, type RouterOptions } from "sidewire";
import type { BrokerInfo } from "../info.js";
import type { Pair } from "../pair.js";
import { Channel, type OpenAddress } from "./channel.js";

/** The options of the signaling. */
export interface SignalingOptions {
  readonly brokers: BrokerPool | undefined;
  readonly getTime: () => number;
  /** Called when a broker gets connected and none was connected before. */
  readonly onReachable: () => void;
}

/** The connections with the brokers, which all peers share, and a channel for each peer on these connections. */
export class Signaling {
  readonly #common: RouterOptions;
  readonly #owner: Router;

  constructor({ brokers, getTime, onReachable }: SignalingOptions) {
    this.#common = {
      getTime,
      encrypt: true,
      requireEncryption: true,
      // Announces have an order of their own, so the router need not wait at gaps.
      gapTimeoutMs: 0,
    };
    // This router only owns the connections. Nobody knows its address.
    this.#owner = new Router(Keypair.generate(), { ...this.#common, brokers, accept: () => false });
    let open = 0;
    this.#owner.on("broker", () => {
      const before = open;
      open = this.brokers().filter(({ state }) => state === "open").length;
      if (before === 0 && open > 0) onReachable();
    });
    // The router goes on trying when no broker answers.
    this.#owner.start().catch(() => {});
  }

  channel(pair: Pair, onAnnounce: (bytes: Uint8Array) => void): Channel {
    return new Channel(pair, this.openAddress, onAnnounce);
  }

  /** Opens an address on the same connections, for any purpose. The caller must start the returned router. */
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

  /** Must be called when the network has changed: the old sessions are then dead, but report no error. */
  networkChanged(): void {
    this.#owner.networkChanged();
  }

  async close(): Promise<void> {
    await this.#owner.close({ signal: AbortSignal.abort() });
  }
}
