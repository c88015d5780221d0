import type { WithheldRecords } from "./changes.js";
import type { Runner } from "./command.js";
import type { Journal } from "./journal.js";
import type { UnusedRoute } from "./member-routes.js";
import { type AddedMembers, type Members, planMembers, undoMembers } from "./members.js";
import type { Link, Network } from "./network.js";
import { withPromotion } from "./promotion.js";
import type { Reader } from "./reader.js";
import type { DeviceState } from "./state.js";

/** What is needed to maintain the members. */
export interface MemberPeersMeans {
  readonly reader: Pick<Reader, "state">;
  readonly changer: Runner;
  readonly journal: Pick<Journal, "changes" | "keep" | "noteFound">;
}

/** The members of a network among the peers of an interface, besides the peers that were found. */
export class MemberPeers {
  readonly #means: MemberPeersMeans;
  #members: Members | undefined;
  #unused: readonly UnusedRoute[] = [];

  constructor(means: MemberPeersMeans) {
    this.#means = means;
  }

  /** The subnets behind members that are not used from this host, at the last look. */
  get unused(): readonly UnusedRoute[] {
    return this.#unused;
  }

  /** Sets the members. */
  set(members: Members): void {
    this.#members = members;
  }

  /**
   * Applies the members. Additions are recorded before the commands, removals after them.
   * @param network - the host's current network
   * @returns WireGuard's state after that
   */
  async maintain(
    link: Link,
    network: Network,
    state: DeviceState,
    signal: AbortSignal,
  ): Promise<DeviceState> {
    if (this.#members === undefined) return state;
    const { reader, changer, journal } = this.#means;
    const plan = planMembers(this.#members, link, network, state, this.#added);
    this.#unused = plan.unused;
    if (plan.commands.length === 0) return state;
    // When the allowed IPs of a member are written again, the withheld ones are included.
    const { withheld } = journal.changes;
    await journal.keep({ ...plan.during, withheld: withheld && without(withheld, plan.changed) });
    await withPromotion(link.name, async () => {
      for (const command of plan.commands) await changer.run(command, signal);
    });
    await journal.keep(plan.after);
    const now = await reader.state(signal);
    await journal.noteFound(now, "keep");
    return now;
  }

  /** The commands that remove what was added. */
  undo(link: Link, network: Network, state: DeviceState): ReturnType<typeof undoMembers> {
    return undoMembers(link, network, state, this.#added);
  }

  get #added(): AddedMembers {
    const { added = [], addresses = [] } = this.#means.journal.changes;
    return { added, addresses };
  }
}

function without(records: WithheldRecords, keys: readonly string[]): WithheldRecords {
  return Object.fromEntries(Object.entries(records).filter(([key]) => !keys.includes(key)));
}
