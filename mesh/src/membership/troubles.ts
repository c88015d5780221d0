import type { Mark } from "../roster/roster.js";
import type { Place } from "./place.js";

/** The problems of rosters that were seen. Each problem is reported once, and shown from then on. */
export class Troubles {
  readonly #place: Place;
  readonly #sentences = new Map<string, string>();
  /** The last marks of each peer. */
  readonly #seen = new Map<string, readonly Mark[]>();

  constructor(place: Place) {
    this.#place = place;
  }

  get sentences(): readonly string[] {
    return [...this.#sentences.values()];
  }

  /** Must be called when a peer is in another network. */
  foreign(name: string): void {
    this.#trouble(`foreign ${name}`, `${this.#place.nameOf(name)} is in another network`);
  }

  /** Checks how far a peer says that it knows the roster. */
  look(name: string, marks: readonly Mark[]): void {
    const before = this.#seen.get(name) ?? [];
    const isBack = before.some(({ admin, counter }) => {
      const now = marks.find((mark) => mark.admin === admin);
      return (now?.counter ?? 0) < counter;
    });
    if (isBack)
      this.#trouble(
        `back ${name}`,
        `the roster of ${this.#place.nameOf(name)} was rolled back: it is refused, and brought up to date`,
      );
    this.#seen.set(name, marks);
  }

  /** Must be called when a peer has a statement that contradicts another one. */
  forks(name: string): void {
    for (const [admin, counter] of this.#place.means.file.roster?.forks ?? []) {
      const who =
        [...(this.#place.view?.members.values() ?? [])].find(({ signer }) => signer === admin)?.name ?? admin;
      this.#trouble(
        `fork ${admin}`,
        `the roster is forked: ${this.#place.nameOf(name)} has another statement ${counter} of the admin ${who}, which is refused. ` +
          `Somebody else has its key, or an old copy of its state was put back: let another admin demote ${who}`,
      );
    }
  }

  /** Reports a problem once, and shows it from then on. */
  #trouble(what: string, sentence: string): void {
    if (this.#sentences.has(what)) return;
    this.#sentences.set(what, sentence);
    this.#place.means.onWarning(sentence);
  }
}
