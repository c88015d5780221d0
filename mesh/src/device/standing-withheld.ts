import { MeshError } from "../errors.js";
import { formatPrefix } from "../ip/prefix.js";
import type { Runner } from "./command.js";
import type { Journal } from "./journal.js";
import type { Reader } from "./reader.js";
import { type DeviceState, withoutGone } from "./state.js";
import { planWithheld, type Wanted } from "./withheld.js";

/** What is needed to withhold allowed IPs. */
export interface WithheldMeans {
  readonly reader: Pick<Reader, "state">;
  readonly changer: Runner;
  readonly journal: Pick<Journal, "keep" | "write">;
  /** Called with what was not done and why, in one sentence; once, until it works again. */
  readonly onTrouble: (message: string) => void;
}

/** Maintains the allowed IPs that peers own and WireGuard does not have for now. */
export class StandingWithheld {
  readonly #means: WithheldMeans;
  #isBarred = false;

  constructor(means: WithheldMeans) {
    this.#means = means;
  }

  /**
   * Withholds exactly these allowed IPs. An allowed IP is only taken if that can be recorded: after a crash nobody
   * would know its owner otherwise. Giving back works without a disk.
   * @returns WireGuard's state after that
   */
  async set(wanted: Wanted, before: DeviceState, signal: AbortSignal): Promise<DeviceState> {
    const state = await this.#apply(keptOf(wanted, before), "keep", before, signal);
    try {
      const now = await this.#apply(wanted, "write", state, signal);
      this.#isBarred = false;
      return now;
    } catch (error) {
      if (!(error instanceof MeshError) || error.code !== "FILE") throw error;
      if (!this.#isBarred)
        this.#means.onTrouble(
          `${error.message}. What is for peers that cannot be reached is not left to a router: make room on the disk`,
        );
      this.#isBarred = true;
      return state;
    }
  }

  /** The commands that give everything back. */
  undo(state: DeviceState): ReturnType<typeof planWithheld>["commands"] {
    return planWithheld(state, new Map()).commands;
  }

  async #apply(
    wanted: Wanted,
    by: "write" | "keep",
    state: DeviceState,
    signal: AbortSignal,
  ): Promise<DeviceState> {
    const { reader, changer, journal } = this.#means;
    const { during, after, commands } = planWithheld(state, wanted);
    if (commands.length === 0) return state;
    await journal[by]({ withheld: during });
    // Writing takes time, and `wg set` would bring back a peer that the user has removed meanwhile.
    const now = withoutGone(state, await reader.state(signal));
    for (const command of planWithheld(now, wanted).commands) await changer.run(command, signal);
    await journal.keep({ withheld: after });
    return await reader.state(signal);
  }
}

/** The part of the wanted allowed IPs that is withheld already. */
function keptOf(wanted: Wanted, { peers }: DeviceState): Wanted {
  return new Map(
    peers.flatMap(({ publicKey, withheld = [] }) => {
      const texts = new Set((wanted.get(publicKey) ?? []).map(formatPrefix));
      const kept = withheld.filter((ip) => texts.has(formatPrefix(ip)));
      return kept.length > 0 ? [[publicKey, kept] as const] : [];
    }),
  );
}
