import type { Lifecycle } from "../base/lifecycle.js";
import type { LinkSet } from "../brokers/link-set.js";
import type { InboundMessage } from "../message.js";
import type { Settings } from "../options.js";
import type { Identity } from "../wire/identity.js";
import type { Delivery } from "./delivery.js";
import type { Outbox } from "./outbox.js";
import type { RoutingTable } from "./routing-table.js";

/** Everything that the pipes of one router share. */
export interface PipeContext {
  /** The router's own address. */
  readonly address: string;
  readonly identity: Identity;
  readonly settings: Settings;
  readonly links: LinkSet;
  readonly outbox: Outbox<Delivery>;
  readonly routes: RoutingTable;
  /** The wall clock, in ms. */
  readonly wallNow: () => number;
  /** Sets the router's alarm for the outbox. */
  readonly schedule: (at: number) => void;
  readonly lifecycle: Lifecycle;
  /** Calls a function with every message of a peer. Returns the function that removes it. */
  readonly addHandler: (from: string, handler: (message: InboundMessage) => unknown) => () => void;
  /** How often the machine has woken from sleep, was restored from a snapshot, or has changed its network. */
  readonly wakes: () => number;
}
