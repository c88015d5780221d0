import { MeshError } from "../errors.js";
import type { Runner } from "./command.js";
import type { Journal } from "./journal.js";
import { makeTable, type NftTable, removeTable, showTable, tableNameOf } from "./nft-table.js";
import type { DeviceState } from "./state.js";

/** What a standing table needs. */
export interface TableMeans {
  /** The name of the interface. */
  readonly name: string;
  /** Reads the table; undefined in a dry run, where there is no table to read. */
  readonly reader: Runner | undefined;
  readonly changer: Runner;
  readonly journal: Journal;
}

/** Maintains the nft table, even if somebody deletes it, or WireGuard gets another port. */
export class StandingTable {
  readonly #means: TableMeans;
  /** The wanted table, and how nft showed it after it was made. */
  #made: { readonly wanted: NftTable; readonly shown: Promise<string | undefined> } | undefined;

  constructor(means: TableMeans) {
    this.#means = means;
  }

  /** @throws {@link MeshError} `FILE`, `MISSING_PROGRAM`, `NOT_PERMITTED`, `COMMAND_FAILED`, `TIMEOUT`, `ABORTED` */
  async install(helperPort: number, state: DeviceState, signal: AbortSignal): Promise<void> {
    await this.#means.journal.write({ hasTable: true });
    await this.#make(helperPort, state, signal);
  }

  /** Makes the table again if it has changed, or needs another content. */
  async maintain(state: DeviceState, signal: AbortSignal): Promise<void> {
    if (this.#made === undefined) return;
    const { wanted, shown } = this.#made;
    const isMoved = state.listenPort !== wanted.listenPort || state.fwmark !== wanted.fwmark;
    const now = isMoved ? undefined : await this.#show(signal);
    if (now !== undefined && now === (await shown)) return;
    await this.#means.journal.keep({ hasTable: true });
    await this.#make(wanted.helperPort, state, signal);
  }

  /** Removes the table, also one of an earlier run. */
  async remove(): Promise<void> {
    await this.#made?.shown;
    await this.#means.changer.run(removeTable(this.#means.name)).catch((error: unknown) => {
      // Without nft there is no table.
      if (!(error instanceof MeshError) || error.code !== "MISSING_PROGRAM") throw error;
    });
  }

  /** Removes the table if there is one. @returns what was done, in words */
  async undo(): Promise<string | undefined> {
    if (!this.#means.journal.changes.hasTable) return undefined;
    await this.remove();
    return `the table ${tableNameOf(this.#means.name)} of nft is removed`;
  }

  async #make(helperPort: number, { listenPort, fwmark }: DeviceState, signal: AbortSignal): Promise<void> {
    const { name, reader, changer, journal } = this.#means;
    const wanted = { name, listenPort, fwmark, helperPort };
    try {
      await changer.run(makeTable(wanted), signal);
    } catch (error) {
      // The table is made completely or not at all. If it was to be replaced, the old one still exists.
      if (this.#made === undefined) await journal.keep({ hasTable: false });
      throw error;
    }
    // Nobody waits for this result before the next look.
    if (reader !== undefined) this.#made = { wanted, shown: this.#show().catch(() => undefined) };
  }

  /** The table as nft shows it; undefined when there is none. */
  async #show(signal?: AbortSignal): Promise<string | undefined> {
    return await this.#means.reader?.run(showTable(this.#means.name), signal).catch(ifFailed);
  }
}

/** A program that failed: what was asked for does not exist. */
function ifFailed(error: unknown): undefined {
  if (!(error instanceof MeshError) || error.code !== "COMMAND_FAILED") throw error;
}
