import { NEVER } from "../base/alarm.js";
import type { BrokerError } from "../base/errors.js";
import type { Transport } from "../platform/transports.js";
import type { Broker } from "../wire/broker-pool.js";
import type { BrokerLink } from "./link.js";
import { SizeLimit } from "./size-limit.js";
import { TokenBucket } from "./token-bucket.js";

/** What a broker is doing for us: nothing, connecting, connected, or waiting for its next try. */
export type LinkState = "idle" | "connecting" | "open" | "waiting";

/** One broker, with what is known of it and the session there may be: the same for all addresses. */
export interface KnownBroker<User> {
  readonly id: string;
  readonly broker: Broker;
  state: LinkState;
  link: BrokerLink | undefined;
  readonly bucket: TokenBucket;
  /** The longest packet that it takes. */
  readonly sizes: SizeLimit;
  /** Why the last attempt or session ended. */
  lastError: BrokerError | undefined;
  /** Failed attempts since it last worked for a while. */
  failures: number;
  /** When that was; never, as -Infinity. */
  failedAt: number;
  /** When it is dialled again, if anybody wants it; meaningful while waiting. */
  retryAt: number;
  /** When the present attempt began. */
  dialledAt: number;
  /** Whether nothing has come from its address, though one on this machine would have answered. */
  isSilent: boolean;
  /** When it was last heard of in the present attempt; never, as -Infinity. */
  heardAt: number;
  /** Since when it is connected; meaningful while open. */
  openedAt: number;
  /** Whether a session ever came about. */
  worked: boolean;
  dialling: AbortController | undefined;
  /** The transport that worked last is tried first. */
  transport: Transport | undefined;
  /** Transports at which the broker asked to be left alone, and until when. */
  readonly pauses: Map<Transport, number>;
  /** One for each address that looks at it. */
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
