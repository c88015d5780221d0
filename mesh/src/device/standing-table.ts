import { MeshError } from "../errors.js";
import type { Runner } from "./command.js";
import type { Journal } from "./journal.js";
import { makeTable, type NftTable, removeTable, showTable, tableNameOf } from "./nft-table.js";
import type { DeviceState } from "./state.js";

/** What a standing table works with. */
export interface TableMeans {
  /** The name of the interface. */
  readonly name: string;
  /** Reads what is there; undefined in a dry run, where there is no table to read. */
  readonly reader: Runner | undefined;
  readonly changer: Runner;
  readonly journal: Journal;
}

/** The nft table, and that it stays as it was made: also when somebody deletes it, or WireGuard gets another port. */
export class StandingTable {
  readonly #means: TableMeans;
  /** What it is to be, and what nft said of it when it was made. */
  #made: { readonly wanted: NftTable; readonly shown: Promise<string | undefined> } | undefined;

  constructor(means: TableMeans) {
    this.#means = means;
  }

  /** @throws {@link MeshError} `FILE`, `MISSING_PROGRAM`, `NOT_PERMITTED`, `COMMAND_FAILED`, `TIMEOUT`, `ABORTED` */
  async install(helperPort: number, state: DeviceState, signal: AbortSignal): Promise<void> {
    await this.#means.journal.write({ hasTable: true });
    await this.#make(helperPort, state, signal);
  }

  /** Makes it again if it is not as it was, or no longer as it should be. */
  async maintain(state: DeviceState, signal: AbortSignal): Promise<void> {
    if (this.#made === undefined) return;
    const { wanted, shown } = this.#made;
    const isMoved = state.listenPort !== wanted.listenPort || state.fwmark !== wanted.fwmark;
    const now = isMoved ? undefined : await this.#show(signal);
    if (now !== undefined && now === (await shown)) return;
    await this.#means.journal.keep({ hasTable: true });
    await this.#make(wanted.helperPort, state, signal);
  }

  /** Removes it, also one of an earlier run. */
  async remove(): Promise<void> {
    await this.#made?.shown;
    await this.#means.changer.run(removeTable(this.#means.name)).catch((error: unknown) => {
      // Without nft there is no table.
      if (!(error instanceof MeshError) || error.code !== "MISSING_PROGRAM") throw error;
    });
  }

  /** Puts back what was before: no table. @returns what was done, in words */
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
      // It is made as a whole or not at all; one of before is still there when this was to replace it.
      if (this.#made === undefined) await journal.keep({ hasTable: false });
      throw error;
    }
    // Nobody has to wait for it before the next look.
    if (reader !== undefined) this.#made = { wanted, shown: this.#show().catch(() => undefined) };
  }

  /** What nft says of it; undefined when there is none. */
  async #show(signal?: AbortSignal): Promise<string | undefined> {
    return await this.#means.reader?.run(showTable(this.#means.name), signal).catch(ifFailed);
  }
}

/** A program that said no: what it was asked for is not there. */
function ifFailed(error: unknown): undefined {
  if (!(error instanceof MeshError) || error.code !== "COMMAND_FAILED") throw error;
}
