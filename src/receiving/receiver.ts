import { bytesToHex, randomBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { monotonicNow } from "../base/alarm.js";
import { BoundedMap } from "../base/bounded-map.js";
import type { LinkSet, LinkSlot } from "../brokers/link-set.js";
import { Reserve } from "../brokers/token-bucket.js";
import type { Settings } from "../options.js";
import type { Delivery } from "../sending/delivery.js";
import { Outbox } from "../sending/outbox.js";
import type { Identity } from "../wire/identity.js";
import { AppPacket, MessageType, PACKET_OVERHEAD } from "../wire/packet.js";
import { isSealed, open, sealedLength } from "../wire/seal.js";
import { Inbox } from "./inbox.js";
import { FRESH_MS, ReplayWindow } from "./replay-window.js";
import { type Rank, Verifier } from "./verifier.js";

/** Why a packet was dropped. */
export type DropReason =
  /** Not a packet: too short, or a field out of range. */
  | "malformed"
  /** Longer than `maxMessageBytes` allows. */
  | "too-large"
  /** Published on a topic that is not the own address. */
  | "foreign-topic"
  /** `accept` said no. */
  | "not-accepted"
  /** An ACK for something that is not waited for: late, a copy, or somebody else's. */
  | "unexpected-ack"
  /** The source did not sign it. */
  | "bad-signature"
  /** Sent more than 120 s ago, by the sender's clock. */
  | "too-old"
  /** Sent more than 120 s ahead, by the sender's clock. */
  | "too-new"
  /** Not sealed, though `requireEncryption` is set. */
  | "not-sealed"
  /** Sealed, but not for this key and this packet, or changed on its way. */
  | "not-opened"
  /** It came after messages that were sent behind it had been handed over. */
  | "out-of-order"
  /** No room to remember, hold or verify it: not acknowledged, so that the sender tries again. */
  | "full";

/** A packet that was dropped, and the broker it came by. */
export interface Drop {
  readonly reason: DropReason;
  /** Who it says it is from; proven only for the reasons that come after the signature. */
  readonly from: string | undefined;
  /** How old it was by its sender's clock, ms; negative when from ahead. With `too-old` and `too-new`. */
  readonly ageMs: number | undefined;
  readonly slot: LinkSlot;
}

/** A message that was accepted: to be handed over in this order. */
export interface Accepted {
  readonly packet: AppPacket;
  /** What it says, opened if it was sealed. */
  readonly data: Uint8Array;
  readonly sealed: boolean;
  readonly slot: LinkSlot;
}

export interface ReceiverOptions {
  readonly address: string;
  readonly identity: Identity;
  readonly settings: Settings;
  readonly links: LinkSet;
  readonly outbox: Outbox<Delivery>;
  readonly wallNow: () => number;
  /** Whether this is a peer that answered us before, or one that `accept` named: it comes before strangers. */
  readonly isKnown: (address: string) => boolean;
  /** Whether the application has room for one more message. */
  readonly hasRoom: () => boolean;
  readonly onAccepted: (messages: readonly Accepted[]) => void;
  readonly onDropped: (drop: Drop) => void;
  /** A copy of a message that was accepted before. */
  readonly onDuplicate: () => void;
  /** A peer's clock differs, ms; positive when it is ahead. */
  readonly onSkew: (from: string, offsetMs: number) => void;
  /** Sets the router's alarm for what waits behind gaps. */
  readonly schedule: (at: number) => void;
}

/** How far apart clocks may be before it is worth telling. */
const SKEW_MS = 30_000;

/** A Python sender repeats a message with its first timestamp for this long. */
const RETRANSMISSION_MS = 60_000;

/** Blocks of 32 neighbouring messages that the replay window can hold. */
const REPLAY_BLOCKS = 65_536;

/** Blocks that it keeps for longer, so that wall clocks may be set right: 2 MB at the very most. */
const KEPT_BLOCKS = 2048;

/**
 * Bytes of messages that may wait behind gaps, over all senders: 4096 short ones, 240 of 64 KiB. In memory a message
 * is there as it came, without its head, and opened: three times as much at most.
 */
const MAX_HELD_BYTES: number = 16 << 20;

/**
 * For so long after a message found no room, gaps are given up so much later: it fills one when it is sent again,
 * as long as its sender tries (4 s by default).
 */
const CROWDED_MS = 3000;

/** Queues that are followed: so many that the replay window is full before, which shares its room out. */
const MAX_QUEUES: number = 2 * REPLAY_BLOCKS;

/** ACKs kept for the copies of their messages. */
const KEPT_ACKS = 1024;

/** How often some of what is remembered is looked at: all of it within a quarter of a minute. */
const PURGE_EVERY_MS = 100;

/** An ACK of ours, and where it was given. */
interface Ack {
  readonly payload: Promise<Uint8Array>;
  readonly by: Set<LinkSlot>;
}

/** Whoever asks for an ACK chooses what else is signed in it. This part nobody can know beforehand, and nobody reads. */
const ACK_RANDOM_BYTES = 16;

function makeAckText(): Uint8Array {
  return utf8ToBytes(`ack ${bytesToHex(randomBytes(ACK_RANDOM_BYTES))}`);
}

/**
 * What happens to bytes that come in, the cheapest check first: length, topic, `accept`, signature,
 * freshness, replay window, order, room. What passes is acknowledged, then handed over.
 */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #verifier: Verifier;
  readonly #window = new ReplayWindow(REPLAY_BLOCKS, KEPT_BLOCKS);
  readonly #inbox: Inbox<Accepted>;
  /** Signed once for each message; its copies are answered with the same bytes. */
  readonly #acks = new BoundedMap<string, Ack>(KEPT_ACKS);
  readonly #pending = new Set<Promise<void>>();
  #purgeAt = 0;
  #crowdedUntil = 0;
  #isOver = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#verifier = new Verifier(options.settings.verify);
    this.#inbox = new Inbox({
      gapTimeoutMs: options.settings.gapTimeoutMs,
      maxHeldBytes: MAX_HELD_BYTES,
      maxQueues: MAX_QUEUES,
    });
  }

  /** Takes a publish. Never throws for any bytes. */
  async receive(slot: LinkSlot, payload: Uint8Array, topic: string): Promise<void> {
    const read = this.#read(payload, topic);
    const packet = typeof read === "string" ? undefined : read;
    const reason = typeof read === "string" ? read : await this.#take(read, payload, slot);
    if (reason === undefined) return;
    if (reason === "full") this.#crowdedUntil = monotonicNow() + CROWDED_MS;
    const isAge = reason === "too-old" || reason === "too-new";
    const ageMs = packet && isAge ? this.#options.wallNow() - packet.timestamp * 1000 : undefined;
    this.#options.onDropped({ reason, from: packet?.source, ageMs, slot });
  }

  /** Hands over what has waited long enough behind a gap; returns when to call again. */
  expire(now: number): number {
    const patience = now < this.#crowdedUntil ? CROWDED_MS : 0;
    this.#options.onAccepted(this.#inbox.expire(now - patience));
    return this.#inbox.nextAt() + patience;
  }

  /**
   * Hands over everything that was acknowledged, takes nothing more, and resolves when the last ACK is on
   * its way.
   */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#options.onAccepted(this.#inbox.flush());
    this.#verifier.close();
    await Promise.allSettled(this.#pending);
  }

  /** The checks that cost next to nothing. */
  #read(payload: Uint8Array, topic: string): AppPacket | DropReason {
    const { address, settings } = this.#options;
    if (topic !== address) return "foreign-topic";
    const { maxMessageBytes } = settings;
    const longestSealed = sealedLength(maxMessageBytes);
    if (payload.length > PACKET_OVERHEAD + longestSealed) return "too-large";
    const packet = AppPacket.parse(payload);
    if (packet === null) return "malformed";
    const longest = isSealed(packet.message) ? longestSealed : maxMessageBytes;
    return packet.message.length > longest ? "too-large" : packet;
  }

  /** Checks whether it is wanted, then the signature, and does what it asks for. */
  async #take(packet: AppPacket, payload: Uint8Array, slot: LinkSlot): Promise<DropReason | undefined> {
    const { settings, outbox } = this.#options;
    const { source, queueId, sequence, type } = packet;
    if (type === MessageType.Ack) {
      const key = Outbox.keyOf(source, queueId, sequence);
      if (!outbox.has(key)) return outbox.isDone(key) ? undefined : "unexpected-ack";
    } else if (settings.accept && !settings.accept(source)) return "not-accepted";
    return await this.#verifier.verify(packet, payload, this.#rankOf(packet), async (valid) => {
      if (!valid) return "bad-signature";
      if (type === MessageType.Message) return await this.#message(packet, slot);
      if (type === MessageType.Ack) this.#acknowledged(packet, slot);
      else this.#acknowledge(packet, slot);
      return undefined;
    });
  }

  /** The source is only claimed; whoever claims it has to name a queue that goes on as well, to come first. */
  #rankOf({ source, queueId, type }: AppPacket): Rank {
    // An ACK got here only because it is waited for.
    if (type === MessageType.Ack) return 0;
    if (!this.#options.isKnown(source)) return 2;
    return this.#inbox.follows(source + queueId) ? 0 : 1;
  }

  #acknowledged(packet: AppPacket, slot: LinkSlot): void {
    const { outbox, wallNow, onSkew } = this.#options;
    const delivery = outbox.get(Outbox.keyOf(packet.source, packet.queueId, packet.sequence));
    delivery?.acknowledge({ slot, timestamp: packet.timestamp, at: monotonicNow() });
    const offsetMs = packet.timestamp * 1000 + 500 - wallNow();
    if (Math.abs(offsetMs) > SKEW_MS) onSkew(packet.source, offsetMs);
  }

  /** Opens a message that is sealed, and takes it. */
  async #message(packet: AppPacket, slot: LinkSlot): Promise<DropReason | undefined> {
    const { address, identity, settings } = this.#options;
    const { message } = packet;
    const sealed = isSealed(message);
    if (!sealed && settings.requireEncryption) return "not-sealed";
    const verdict = this.#judge(packet);
    if (verdict !== "new" || !sealed) return this.#settle(verdict, { packet, data: message, sealed, slot });

    const data = await open(message, { ...packet, destination: address }, identity);
    if (data === undefined) return "not-opened";
    // A copy may have been opened meanwhile.
    return this.#settle(this.#judge(packet), { packet, data, sealed, slot });
  }

  /** Freshness, replay, order and room. */
  #judge({ source, queueId, sequence, timestamp }: AppPacket): "new" | "seen" | DropReason {
    const { wallNow, hasRoom, isKnown, onSkew } = this.#options;
    const now = monotonicNow();
    const wall = wallNow();
    const sentAt = timestamp * 1000;
    const ageMs = wall - sentAt;
    this.#purge(wall, now);
    if (ageMs > FRESH_MS || sentAt <= this.#window.floor) return "too-old";
    if (-ageMs > SKEW_MS || ageMs > SKEW_MS + RETRANSMISSION_MS) onSkew(source, -ageMs);
    if (-ageMs > FRESH_MS) return "too-new";

    const known = isKnown(source);
    const seen = this.#window.check(source, queueId, sequence, known);
    if (seen === "seen") return seen;
    const turn = this.#inbox.check(source + queueId, sequence, known);
    if (turn === "late") return "out-of-order";
    return seen === "new" && turn === "accepted" && hasRoom() ? "new" : "full";
  }

  /** What is new is remembered, acknowledged, and handed over when it is next in order. */
  #settle(verdict: "new" | "seen" | DropReason, accepted: Accepted): DropReason | undefined {
    const { settings, wallNow, schedule, onAccepted, onDuplicate } = this.#options;
    const { packet, data, slot } = accepted;
    const { source: from, queueId, sequence, timestamp } = packet;
    // Its signature was still being checked, or it was being opened: nobody is left to be handed it.
    if (this.#isOver) return undefined;
    if (verdict === "seen") {
      onDuplicate();
      // The ACK before may have been lost.
      this.#acknowledge(packet, slot);
      return undefined;
    }
    if (verdict !== "new") return verdict;
    if (data.length > settings.maxMessageBytes) return "too-large";
    const now = monotonicNow();
    this.#window.add(from, queueId, sequence, timestamp * 1000, wallNow(), now);
    this.#acknowledge(packet, slot);
    onAccepted(this.#inbox.offer(from + queueId, sequence, packet.message.length, accepted, now));
    if (this.#inbox.held > 0) schedule(now + settings.gapTimeoutMs);
    return undefined;
  }

  /** Answers by the broker that the packet came by. */
  #acknowledge({ source, queueId, sequence, type }: AppPacket, slot: LinkSlot): void {
    const { identity, isKnown, links, wallNow } = this.#options;
    const key = Outbox.keyOf(source, queueId, sequence);
    let ack = this.#acks.get(key);
    if (ack === undefined) {
      const timestamp = Math.floor(wallNow() / 1000);
      const payload = AppPacket.pack(
        { queueId, sequence, timestamp, type: MessageType.Ack, message: makeAckText() },
        identity,
      );
      ack = { payload, by: new Set() };
      this.#acks.set(key, ack);
    }
    const isRepeat = type !== MessageType.Message || ack.by.has(slot);
    const forWhom = isKnown(source) ? Reserve.None : Reserve.Stranger;
    ack.by.add(slot);
    const done = ack.payload
      .then((payload) => {
        const now = monotonicNow();
        if (slot.bucket.take(now, isRepeat ? Reserve.Repeat : forWhom))
          links.publish(slot, source, payload, now);
      })
      // A signer that failed leaves the message without an ACK; the next copy asks it again.
      .catch(() => void this.#acks.delete(key))
      .finally(() => this.#pending.delete(done));
    this.#pending.add(done);
  }

  #purge(wall: number, now: number): void {
    if (now < this.#purgeAt) return;
    this.#purgeAt = now + PURGE_EVERY_MS;
    this.#window.purge(wall, now);
    this.#inbox.purge(now);
  }
}
