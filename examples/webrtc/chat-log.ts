import type { Fate } from "./mark.js";

/** One line of the chat. */
export interface Line {
  /** Whose it is, by address; absent for one's own. */
  readonly from?: string;
  readonly text: string;
  /** For one's own: what became of it on its way to each peer, by the number under which that acknowledges it. */
  readonly fates: readonly (readonly [number: number, fate: Fate])[];
}

/** How many lines are kept. */
export const MAX_LINES = 300;

/** What was said, for as long as the tab is there. */
export class ChatLog {
  readonly #lines: { from?: string; text: string; fates: Map<number, Fate> }[] = [];

  add({ from, text, fates }: Line): void {
    this.#lines.push({ ...(from === undefined ? {} : { from }), text, fates: new Map(fates) });
    if (this.#lines.length > MAX_LINES) this.#lines.shift();
  }

  setFate(number: number, fate: Fate): void {
    this.#lines.find(({ fates }) => fates.has(number))?.fates.set(number, fate);
  }

  /** As they are to be kept while the page is loaded again. */
  lines(): Line[] {
    return this.#lines.map(({ fates, ...line }) => ({ ...line, fates: [...fates] }));
  }
}
