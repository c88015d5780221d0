import type { AddedLinkLocals } from "./changes.js";
import type { Runner } from "./command.js";
import type { Journal } from "./journal.js";
import { planLinkLocals, undoLinkLocals } from "./link-locals.js";
import type { Link } from "./network.js";
import type { Reader } from "./reader.js";
import { type DeviceState, withoutGone } from "./state.js";

/** What is needed to maintain the link-local addresses. */
export interface LinkLocalsMeans {
  readonly reader: Pick<Reader, "state">;
  readonly changer: Runner;
  readonly journal: Pick<Journal, "changes" | "keep">;
}

const NONE: AddedLinkLocals = { peers: [] };

/** Maintains the link-local addresses in the tunnel: the own one and those of the peers. */
export class StandingLinkLocals {
  readonly #means: LinkLocalsMeans;
  #isOn = false;

  constructor(means: LinkLocalsMeans) {
    this.#means = means;
  }

  /** Adds the missing addresses, and maintains them from now on. If that fails, it is not tried again. */
  async begin(link: Link, state: DeviceState, signal: AbortSignal): Promise<DeviceState> {
    const now = await this.#add(link, state, signal);
    this.#isOn = true;
    return now;
  }

  /** @returns WireGuard's state after that */
  async maintain(link: Link, state: DeviceState, signal: AbortSignal): Promise<DeviceState> {
    return this.#isOn ? await this.#add(link, state, signal) : state;
  }

  /** The commands that remove what was added. */
  undo(link: Link, state: DeviceState): ReturnType<typeof undoLinkLocals> {
    return undoLinkLocals(link, state, this.#means.journal.changes.linkLocals ?? NONE);
  }

  /** Additions are recorded before the commands. */
  async #add(link: Link, state: DeviceState, signal: AbortSignal): Promise<DeviceState> {
    const { reader, changer, journal } = this.#means;
    const before = journal.changes.linkLocals ?? NONE;
    const { during, after, commands } = planLinkLocals(link, state, before);
    if (commands.length === 0) return state;
    await journal.keep({ linkLocals: during });
    for (const command of commands.filter(({ program }) => program === "ip"))
      await changer.run(command, signal);
    // All this takes time, and `wg set` would bring back a peer that the user has removed meanwhile.
    const now = withoutGone(state, await reader.state(signal));
    for (const command of planLinkLocals(link, now, before).commands.filter(
      ({ program }) => program === "wg",
    ))
      await changer.run(command, signal);
    await journal.keep({ linkLocals: after });
    return await reader.state(signal);
  }
}
