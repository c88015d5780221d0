import type { DestinationBudget } from "./budget.js";
import type { TierOf } from "./tiers.js";

/** What a path machine is made with. */
export interface PathMachineOptions {
  /** The own key is the lower one: we choose, the peer follows. */
  readonly isDecider: boolean;
  /** How good a remote endpoint is by its kind. Asked again when the network has changed. */
  readonly tierOf: TierOf;
  /** What may be sent to one address: shared by all machines of a host. */
  readonly destinations: DestinationBudget;
  /** From 0 to below 1. */
  readonly random: () => number;
}
