import { element } from "./element.js";

/** What became of a line on its way to one peer. One that is gone may come back, and get it after all. */
export type Fate = "under way" | "lost" | "delivered";

/** The sign behind a line of one's own: how far it has come. */
export class Mark {
  readonly root: HTMLElement = element("span", { className: "mark", role: "img" });
  readonly #fates: Map<number, Fate>;

  /** @param numbers - one for every peer, by which it will acknowledge the line */
  constructor(numbers: readonly number[]) {
    this.#fates = new Map(numbers.map((number) => [number, "under way"]));
    this.#show();
  }

  set(number: number, fate: Fate): void {
    this.#fates.set(number, fate);
    this.#show();
  }

  #show(): void {
    const [sign, label] = signOf([...this.#fates.values()]);
    this.root.textContent = sign;
    this.root.title = label;
    this.root.ariaLabel = label;
  }
}

function signOf(fates: readonly Fate[]): readonly [sign: string, label: string] {
  if (fates.length === 0) return ["✗", "nobody is here"];
  if (fates.includes("under way")) return ["◷", "on its way"];
  const delivered = fates.filter((fate) => fate === "delivered").length;
  if (delivered === 0) return ["✗", "not delivered"];
  return ["✓", delivered === fates.length ? "delivered" : `delivered to ${delivered} of ${fates.length}`];
}
