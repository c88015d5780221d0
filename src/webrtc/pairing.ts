import type { Signal } from "./signal.js";

/** A life of one's own, and the one of the other side that it is for. */
export interface Pair {
  readonly id: string;
  /** Absent while this one calls and has no answer. */
  readonly remote?: string | undefined;
}

/** What is to be done with a signal. */
export type Verdict =
  /** It is for the present life. */
  | "take"
  /** Both call. The present life takes the other's call for its answer, and the other side is told of this one. */
  | "meet"
  /** It is a call that counts. A new life answers it, and the present one is over. */
  | "answer"
  /** It came before the call that it belongs to. */
  | "keep"
  /** The other side has begun anew, and doesn't know of the present life. Only another call helps. */
  | "renew"
  /** It belongs to a life that is over. */
  | "drop";

/**
 * Decides which life a signal is for, from what is known when it arrives. Both sides decide alike, whoever they are.
 * @param mine - the present life, if there is one
 */
export function judge(signal: Signal, mine: Pair | undefined): Verdict {
  const { from, to } = signal;
  const remote = mine?.remote;
  if (remote !== undefined && from < remote) return "drop";
  if (to === undefined) {
    if (from === remote) return "take";
    if (!isCall(signal)) return "keep";
    return mine !== undefined && remote === undefined ? "meet" : "answer";
  }
  if (to === mine?.id && (remote === undefined || from === remote)) return "take";
  return remote !== undefined && from > remote ? "renew" : "drop";
}

/** Whether a signal may come from somebody not heard of before. */
export function isCall({ to, content }: Signal): boolean {
  if (to !== undefined || !("description" in content)) return false;
  return content.number === 0 && content.description.type === "offer";
}

/** Names lives, so that their order is that of their beginnings, also over a restart of the program. */
export class LifeNames {
  #latest = 0;

  next(): string {
    // The clock may be set back while the program runs.
    this.#latest = Math.max(Date.now(), this.#latest + 1);
    const random = crypto.getRandomValues(new Uint8Array(6));
    const suffix = Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return `${this.#latest.toString(36).padStart(9, "0")}-${suffix}`;
  }
}
