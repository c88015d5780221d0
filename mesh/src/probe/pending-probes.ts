import type { Endpoint } from "../ip/endpoint.js";

/** How long to wait for an answer, in ms, as in Tailscale. */
export const PROBE_TIMEOUT_MS = 5000;

/** A probe on its way. */
export interface PendingProbe {
  readonly peer: string;
  /** Only an answer from this endpoint counts. */
  readonly endpoint: Endpoint;
  /** Monotonic ms. */
  readonly sentAt: number;
  /** Called for the answer. */
  readonly onAnswer?: (() => void) | undefined;
}

/** The unanswered probes, by transaction. Their number is limited; the oldest one is removed first. */
export class PendingProbes {
  readonly #most: number;
  readonly #pending = new Map<string, PendingProbe>();

  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#pending.size;
  }

  add(transaction: Uint8Array, probe: PendingProbe): void {
    for (const [key, { sentAt }] of this.#pending) {
      if (this.#pending.size < this.#most && probe.sentAt - sentAt <= PROBE_TIMEOUT_MS) break;
      this.#pending.delete(key);
    }
    this.#pending.set(keyOf(transaction), probe);
  }

  /** @param now - monotonic ms */
  get(transaction: Uint8Array, now: number): PendingProbe | undefined {
    const probe = this.#pending.get(keyOf(transaction));
    return probe !== undefined && now - probe.sentAt <= PROBE_TIMEOUT_MS ? probe : undefined;
  }

  delete(transaction: Uint8Array): void {
    this.#pending.delete(keyOf(transaction));
  }

  deletePeer(peer: string): void {
    for (const [key, probe] of this.#pending) if (probe.peer === peer) this.#pending.delete(key);
  }
}

function keyOf(transaction: Uint8Array): string {
  return Buffer.from(transaction.buffer, transaction.byteOffset, transaction.byteLength).toString("latin1");
}
