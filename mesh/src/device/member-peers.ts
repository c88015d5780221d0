import type { Runner } from "./command.js";
import type { Journal } from "./journal.js";
import { type Members, planMembers, undoMembers } from "./members.js";
import type { Link } from "./network.js";
import type { Reader } from "./reader.js";
import type { DeviceState } from "./state.js";

/** What members are kept with. */
export interface MemberPeersMeans {
  readonly reader: Pick<Reader, "state">;
  readonly changer: Runner;
  readonly journal: Pick<Journal, "changes" | "keep" | "noteFound">;
}

/** The members of a network among the peers of an interface, besides those that were found. */
export class MemberPeers {
  readonly #means: MemberPeersMeans;
  #members: Members | undefined;

  constructor(means: MemberPeersMeans) {
    this.#means = means;
  }

  /** Who is to be there from now on. */
  set(members: Members): void {
    this.#members = members;
  }

  /**
   * Makes it so. What is added is written down before, and what is gone is forgotten after it.
   * @returns what WireGuard shows then
   */
  async maintain(link: Link, state: DeviceState, signal: AbortSignal): Promise<DeviceState> {
    if (this.#members === undefined) return state;
    const { reader, changer, journal } = this.#means;
    const { added = [], addresses = [], isCreated } = journal.changes;
    const { during, after, commands } = planMembers(
      this.#members,
      link,
      state,
      { added, addresses },
      isCreated,
    );
    if (commands.length === 0) return state;
    await journal.keep(during);
    for (const command of commands) await changer.run(command, signal);
    await journal.keep(after);
    const now = await reader.state(signal);
    await journal.noteFound(now, "keep");
    return now;
  }

  /** The commands that take away what was added. */
  undo(link: Link, state: DeviceState): ReturnType<typeof undoMembers> {
    const { added = [], addresses = [] } = this.#means.journal.changes;
    return undoMembers(link, state, { added, addresses });
  }
}
