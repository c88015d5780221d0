import { MeshError } from "../errors.js";
import { type Changes, noChanges, noteFound } from "./changes.js";
import type { Ledger } from "./ledger.js";
import { withoutPeers } from "./members.js";
import type { DeviceState } from "./state.js";
import { stillWithheld } from "./withheld.js";

/** What a journal needs. */
export interface JournalMeans {
  /** Undefined in a dry run: nothing is changed, so nothing is recorded. */
  readonly ledger: Pick<Ledger, "save" | "remove"> | undefined;
  /** Called with what was not recorded and why, in one sentence; once, until recording works again. */
  readonly onTrouble: (message: string) => void;
}

/**
 * The changes on the interface, in memory and in the ledger. A change is recorded before it is made.
 *
 * A full disk must not end working tunnels. {@link write} throws in that case; it is used at the start, before any
 * change. {@link keep} then goes on with the records in memory, which a clean end needs, and tries again later.
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

  /** Sets the known changes of an interface. Does not write to the ledger. */
  begin(changes: Changes): void {
    this.#changes = changes;
  }

  /** @throws {@link MeshError} `FILE`; then nothing is recorded */
  async write(part: Partial<Changes>): Promise<void> {
    const changes = { ...this.#changes, ...part };
    await this.#means.ledger?.save(changes);
    this.#changes = changes;
    this.#isBehind = false;
  }

  /** The same as {@link write}, but records in memory only when the ledger cannot be written. */
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
   * Records peers as they were seen first, before they are changed.
   * @param by - the method to use, which decides what happens when the disk is full
   * @returns whether a write took time
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

  /** Must be called when everything was restored. */
  async end(): Promise<void> {
    await this.#means.ledger?.remove();
  }
}
