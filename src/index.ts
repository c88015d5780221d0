export {
  type BrokerEntry,
  type BrokerPool,
  type BrokerRate,
  defaultBrokers,
  type PoolBroker,
  parseBrokerPool,
} from "./broker-pool.js";
export {
  AbortError,
  type AttemptReport,
  type BrokerAddress,
  BrokerError,
  type BrokerFailure,
  type InvalidInputCode,
  InvalidInputError,
  NoAckError,
  NoBrokerError,
  SidewireError,
  type SidewireErrorCode,
  type UnreachableBroker,
} from "./errors.js";
export type {
  BrokerEvent,
  DroppedEvent,
  HandlerErrorEvent,
  RouterEvents,
  SkewEvent,
} from "./events.js";
export { type BrokerHint, type HintStore, MemoryHintStore } from "./hints.js";
export { type Identity, Keypair } from "./identity.js";
export type { LinkState } from "./link-set.js";
export type { MessageHandler } from "./mailbox.js";
export type { InboundMessage, Receipt, SendOptions } from "./message.js";
export type { PipeOptions, RouterOptions, StartOptions } from "./options.js";
export { AppPacket, MessageType, type PacketFields } from "./packet.js";
export type { Family, Transport, Verify } from "./platform/platform.js";
export { brokerScore, type RankedBroker, type Ranking, rankBrokers } from "./ranking.js";
export type { DropReason } from "./receiver.js";
export { Router } from "./router.js";
export { type ProbeResult, SmartPipe } from "./smart-pipe.js";
export type { BrokerStats, RouterStats } from "./statistics.js";
