import { NEVER } from "../base/alarm.js";
import type { BrokerError } from "../base/errors.js";
import type { Transport } from "../platform/transports.js";
import type { Broker } from "../wire/broker-pool.js";
import type { BrokerLink } from "./broker-link.js";
import { SizeLimit } from "./size-limit.js";
import { TokenBucket } from "./token-bucket.js";

/** What a broker is doing for us: nothing, connecting, connected, or waiting for its next try. */
export type LinkState = "idle" | "connecting" | "open" | "waiting";

/** Told about one broker, as long as it is wanted. */
export interface LinkWatcher {
  /** It is connected; called at once where it already is. */
  opened?(slot: LinkSlot): void;
  /** An attempt failed, or the connection ended. */
  failed?(slot: LinkSlot, error: BrokerError): void;
}

/** One broker, with the session there is or may be with it. */
export interface LinkSlot {
  readonly id: string;
  readonly broker: Broker;
  readonly state: LinkState;
  readonly link: BrokerLink | undefined;
  readonly bucket: TokenBucket;
  /** The longest packet that it takes. */
  readonly sizes: SizeLimit;
  /** Why the last attempt or session ended. */
  readonly lastError: BrokerError | undefined;
  /** Failed attempts since it last worked for a while. */
  readonly failures: number;
  /** When that was; never, as -Infinity. */
  readonly failedAt: number;
  /** When it is dialled again, if anybody wants it; meaningful while waiting. */
  readonly retryAt: number;
  /** When the present attempt began. */
  readonly dialledAt: number;
  /** Whether nothing has come from its address, though one on this machine would have answered. */
  readonly isSilent: boolean;
  /** When it was last heard of in the present attempt; never, as -Infinity. */
  readonly heardAt: number;
  /** Since when it is connected; meaningful while open. */
  readonly openedAt: number;
  readonly traffic: LinkTraffic;
}

/** What went over a broker so far. */
export interface LinkTraffic {
  /** Publishes, ACKs included. */
  sent: number;
  /** Messages whose ACK came by it. */
  acknowledged: number;
  /** The latest round trip to a peer through it, ms. */
  roundTripMs: number | undefined;
}

/** The same, as who looks after the connections may change it. */
export interface Slot extends LinkSlot {
  state: LinkState;
  link: BrokerLink | undefined;
  lastError: BrokerError | undefined;
  failures: number;
  failedAt: number;
  retryAt: number;
  dialledAt: number;
  isSilent: boolean;
  heardAt: number;
  openedAt: number;
  /** Whether a session ever came about. */
  worked: boolean;
  /** When something was last sent, or it was connected. */
  lastUse: number;
  dialling: AbortController | undefined;
  /** The transport that worked last is tried first. */
  transport: Transport | undefined;
  /** Transports at which the broker asked to be left alone, and until when. */
  readonly pauses: Map<Transport, number>;
  readonly watchers: Set<LinkWatcher>;
  /** Held brokers are redialled and never closed for idleness. */
  readonly holders: Set<unknown>;
}

export function newSlot(id: string, broker: Broker): Slot {
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
    traffic: { sent: 0, acknowledged: 0, roundTripMs: undefined },
    worked: false,
    lastUse: 0,
    dialling: undefined,
    transport: undefined,
    pauses: new Map(),
    watchers: new Set(),
    holders: new Set(),
  };
}

export function isHinted({ broker }: Slot): boolean {
  return broker.publicOnly !== undefined;
}

export function isWanted(slot: Slot): boolean {
  return slot.holders.size > 0 || slot.watchers.size > 0;
}
