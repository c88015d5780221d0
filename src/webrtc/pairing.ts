import type { Signal } from "./signal.js";

/** An own life, and the life of the other side that belongs to it. */
export interface Pair {
  readonly id: string;
  /** Undefined while the own life calls and has no answer. */
  readonly remote?: string | undefined;
}

/** What to do with a signal. */
export type Verdict =
  /** The signal is for the current life. */
  | "take"
  /** Both sides call. One of them takes its call back, and answers. */
  | "meet"
  /** The signal is a new call. A new life answers the call, and replaces the current life. */
  | "answer"
  /** The signal has come before its call. */
  | "keep"
  /** The other side has a new life, which does not know the current life. Only another call helps. */
  | "renew"
  /** The signal belongs to a life that is over. */
  | "drop";

/**
 * Decides what to do with a signal, by the known lives. Both sides decide by the same rules.
 * @param mine - the current own life, if there is one
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

/** Whether a signal is a call, which may come from an unknown side. */
export function isCall({ to, content }: Signal): boolean {
  if (to !== undefined || !("description" in content)) return false;
  return content.number === 0 && content.description.type === "offer";
}

/** Makes the names of lives. Later lives have greater names, even after a restart of the program. */
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
