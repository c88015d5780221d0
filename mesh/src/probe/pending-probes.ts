import type { Endpoint } from "../ip/endpoint.js";

/** After this long an answer is no longer waited for, ms: as long as Tailscale does. */
export const PROBE_TIMEOUT_MS = 5000;

/** A probe on its way. */
export interface PendingProbe {
  readonly peer: string;
  /** The only one from which an answer counts. */
  readonly endpoint: Endpoint;
  /** Monotonic ms. */
  readonly sentAt: number;
  /** Who waits for the answer. */
  readonly onAnswer?: (() => void) | undefined;
}

/** Probes that are not answered yet, by transaction. Bounded: the oldest gives way. */
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
