import { NEVER } from "../base/alarm.js";
import type { BrokerError } from "../base/errors.js";
import type { Transport } from "../platform/transports.js";
import type { Broker } from "../wire/broker-pool.js";
import type { BrokerLink } from "./link.js";
import { SizeLimit } from "./size-limit.js";
import { TokenBucket } from "./token-bucket.js";

/** The state of a broker: unused, connecting, connected, or waiting for its next try. */
export type LinkState = "idle" | "connecting" | "open" | "waiting";

/** Everything known about one broker, and its session if there is one. All addresses share this object. */
export interface KnownBroker<User> {
  readonly id: string;
  readonly broker: Broker;
  state: LinkState;
  link: BrokerLink | undefined;
  readonly bucket: TokenBucket;
  /** The longest packet that the broker accepts. */
  readonly sizes: SizeLimit;
  /** Why the last attempt or session ended. */
  lastError: BrokerError | undefined;
  /** Failed attempts since the broker last worked for a while. */
  failures: number;
  /** The time of the last failure; -Infinity before the first failure. */
  failedAt: number;
  /** When the broker is dialled again, if an address wants it. Only valid while waiting. */
  retryAt: number;
  /** When the current attempt began. */
  dialledAt: number;
  /**
   * Whether the broker's address has not answered yet, although an address on this machine would have answered by now.
   */
  isSilent: boolean;
  /** When the broker's address last answered in the current attempt; -Infinity before any answer. */
  heardAt: number;
  /** When the session was opened. Only valid while open. */
  openedAt: number;
  /** Whether a session was ever opened. */
  worked: boolean;
  dialling: AbortController | undefined;
  /** The transport that worked last. This transport is tried first. */
  transport: Transport | undefined;
  /** Transports at which the broker asked for a pause, and the end of each pause. */
  readonly pauses: Map<Transport, number>;
  /** One user for each address that knows this broker. */
  readonly users: Set<User>;
}

export function newBroker<User>(id: string, broker: Broker): KnownBroker<User> {
  return {
    id,
    broker,
    state: "idle",
    link: undefined,
    bucket: new TokenBucket(broker.rate),
    sizes: new SizeLimit(),
    lastError: undefined,
    failures: 0,
    failedAt: -NEVER,
    retryAt: 0,
    dialledAt: -NEVER,
    isSilent: false,
    heardAt: -NEVER,
    openedAt: 0,
    worked: false,
    dialling: undefined,
    transport: undefined,
    pauses: new Map(),
    users: new Set(),
  };
}
