import type { Sent } from "./peer.js";
import { mean, quantile } from "./statistics.js";

/** What became of many messages, sent under one rule. */
export class Tally {
  messages = 0;
  readonly arrivedAfterMs: number[] = [];
  readonly #waves: number[] = [];
  readonly #spent: number[] = [];
  readonly #wasted: number[] = [];
  #dials = 0;
  #connected = 0;

  add(sent: Omit<Sent, "by">): void {
    this.messages++;
    this.#dials += sent.dials;
    this.#connected += sent.connected;
    if (sent.arrivedAfterMs === undefined) {
      this.#wasted.push(sent.publishes);
    } else {
      this.arrivedAfterMs.push(sent.arrivedAfterMs);
      this.#waves.push(sent.waves);
      this.#spent.push(sent.publishes + sent.acks);
    }
  }

  /** The share of the messages that arrived. */
  get arrived(): number {
    return this.arrivedAfterMs.length / this.messages;
  }

  /** Publishes for a message that arrived, ACKs included. */
  get publishes(): number {
    return mean(this.#spent);
  }

  /** Publishes for a message that did not arrive. */
  get wasted(): number {
    return mean(this.#wasted);
  }

  /** Connections tried for a message. */
  get dials(): number {
    return this.#dials / this.messages;
  }

  /** Connections that came about for a message, and stay. */
  get connected(): number {
    return this.#connected / this.messages;
  }

  /** How often brokers were joined in for a message that arrived. */
  get waves(): number {
    return mean(this.#waves);
  }

  /** The mean time until it arrives. */
  get meanMs(): number {
    return mean(this.arrivedAfterMs);
  }

  /** The time within which this share of what arrived was there. */
  within(share: number): number {
    return quantile(this.arrivedAfterMs, share);
  }
}
