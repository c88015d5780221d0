/** @module sidewire */

export type { Emitter } from "./base/emitter.js";
export {
  AbortError,
  type AttemptReport,
  type BrokerAddress,
  BrokerError,
  type BrokerErrorDetails,
  type BrokerFailure,
  type InvalidInputCode,
  InvalidInputError,
  NoAckError,
  NoBrokerError,
  SidewireError,
  type SidewireErrorCode,
  type UnreachableBroker,
} from "./base/errors.js";
export { type BrokerHint, type HintStore, MemoryHintStore } from "./brokers/hints.js";
export type { LinkState } from "./brokers/known-broker.js";
export type {
  BrokerEvent,
  DroppedEvent,
  HandlerErrorEvent,
  RouterEvents,
  SkewEvent,
} from "./events.js";
export type { InboundMessage, Receipt, SendOptions } from "./message.js";
export type { ConnectionsOwner, PipeOptions, RouterOptions, StartOptions } from "./options.js";
export type { Family, Verify } from "./platform/platform.js";
export { TRANSPORTS, type Transport, type TransportTraits } from "./platform/transports.js";
export type { MessageHandler } from "./receiving/mailbox.js";
export type { DropReason } from "./receiving/receiver.js";
export { Router } from "./router.js";
export { type ProbeResult, SmartPipe } from "./sending/smart-pipe.js";
export type { BrokerStats, RouterStats } from "./statistics.js";
export { formatAddress } from "./wire/address.js";
export {
  type BrokerEntry,
  type BrokerPool,
  type BrokerRate,
  defaultBrokers,
  type PoolBroker,
  parseBrokerPool,
} from "./wire/broker-pool.js";
export { type Identity, Keypair, parseAddress } from "./wire/identity.js";
export { AppPacket, MessageType, type PacketFields } from "./wire/packet.js";
export { type Pairwise, pairwise } from "./wire/pairwise.js";
export { brokerScore, type RankedBroker, type Ranking, rankBrokers } from "./wire/ranking.js";
