import type { DestinationBudget } from "./budget.js";
import type { TierOf } from "./tiers.js";

/** The options of a path machine. */
export interface PathMachineOptions {
  /** Whether the own key is the lower one. Then this host chooses, and the peer follows. */
  readonly isDecider: boolean;
  /** The tier of a remote endpoint by its kind. Called again when the network has changed. */
  readonly tierOf: TierOf;
  /** The limits for probes to one address, shared by all machines of a host. */
  readonly destinations: DestinationBudget;
  /** Returns a number from 0 to below 1. */
  readonly random: () => number;
}
