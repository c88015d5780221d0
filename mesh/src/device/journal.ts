import { MeshError } from "../errors.js";
import { type Changes, noChanges, noteFound } from "./changes.js";
import type { Ledger } from "./ledger.js";
import { withoutPeers } from "./members.js";
import type { DeviceState } from "./state.js";
import { stillWithheld } from "./withheld.js";

/** What a journal works with. */
export interface JournalMeans {
  /** Undefined in a dry run: nothing is changed, so nothing is written down. */
  readonly ledger: Pick<Ledger, "save" | "remove"> | undefined;
  /** What was not written down, and why, in one sentence: once, until it is. */
  readonly onTrouble: (message: string) => void;
}

/**
 * What we changed: as it is known now, and as it stands in the ledger. It is written down before the change is made.
 *
 * A disk that is full does not end tunnels that work. {@link write} throws then, and is for the start, before anything
 * is changed. {@link keep} goes on with what is known in memory, which a clean end needs, and tries again later.
 */
export class Journal {
  readonly #means: JournalMeans;
  #changes: Changes = noChanges("");
  #isBehind = false;

  constructor(means: JournalMeans) {
    this.#means = means;
  }

  get changes(): Changes {
    return this.#changes;
  }

  /** Begins with what is known of an interface, and changes nothing in the ledger. */
  begin(changes: Changes): void {
    this.#changes = changes;
  }

  /** @throws {@link MeshError} `FILE`: nothing is noted then */
  async write(part: Partial<Changes>): Promise<void> {
    const changes = { ...this.#changes, ...part };
    await this.#means.ledger?.save(changes);
    this.#changes = changes;
    this.#isBehind = false;
  }

  /** As {@link write}, but notes it in memory when it cannot be written. */
  async keep(part: Partial<Changes>): Promise<void> {
    try {
      await this.write(part);
    } catch (error) {
      if (!(error instanceof MeshError) || error.code !== "FILE") throw error;
      this.#changes = { ...this.#changes, ...part };
      if (!this.#isBehind)
        this.#means.onTrouble(
          `${error.message}. Paths are changed all the same. What is changed now is put back by a clean end, and not ` +
            "after a crash: make room on the disk",
        );
      this.#isBehind = true;
    }
  }

  /**
   * Remembers peers as they are seen first, before anything of them is changed.
   * @param by - what becomes of it when the disk is full
   * @returns whether time passed over it
   */
  async noteFound(state: DeviceState, by: "write" | "keep"): Promise<boolean> {
    const found = withoutPeers(state, this.#changes.added ?? []);
    const { peers, isChanged } = noteFound(this.#changes.peers, found);
    const { withheld: before } = this.#changes;
    const withheld = before && stillWithheld(before, state);
    if (!isChanged && withheld === before && !this.#isBehind) return false;
    await this[by]({ peers, withheld });
    return true;
  }

  /** Everything is put back. */
  async end(): Promise<void> {
    await this.#means.ledger?.remove();
  }
}
