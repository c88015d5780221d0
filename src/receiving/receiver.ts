import { monotonicNow } from "../base/alarm.js";
import { callGuarded } from "../base/guarded.js";
import { check, got } from "../base/schema.js";
import type { LinkSet } from "../brokers/link-set.js";
import type { LinkSlot } from "../brokers/link-slot.js";
import type { Settings } from "../options.js";
import type { Delivery } from "../sending/delivery.js";
import { Outbox } from "../sending/outbox.js";
import type { Identity } from "../wire/identity.js";
import { AppPacket, MessageType, PACKET_OVERHEAD } from "../wire/packet.js";
import { isSealed, sealedLength } from "../wire/seal.js";
import { Acks, isBareAck } from "./acks.js";
import { Inbox, type Sender } from "./inbox.js";
import { Opener } from "./opener.js";
import { FRESH_MS, ReplayWindow } from "./replay-window.js";
import { type Rank, Verifier } from "./verifier.js";

/** Why a packet was dropped. */
export type DropReason =
  /** Not a packet: too short, or a field out of range. */
  | "malformed"
  /** Longer than `maxMessageBytes` allows. */
  | "too-large"
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
  /** No room to remember, hold or verify it, or `getTime` failed: not acknowledged, so that the sender tries again. */
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
  /** Whether the application has room for one more message of this peer. */
  readonly hasRoom: (from: string) => boolean;
  readonly onAccepted: (messages: readonly Accepted[]) => void;
  readonly onDropped: (drop: Drop) => void;
  /** A copy of a message that was accepted before. */
  readonly onDuplicate: () => void;
  /** A peer's clock differs, ms; positive when it is ahead. */
  readonly onSkew: (from: string, offsetMs: number) => void;
  /** One of the application's own functions failed: its name, and how. */
  readonly onFailed: (name: string, error: unknown) => void;
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

/** While a long message is coming in, gaps are given up so much later: on a slow line it takes its time. */
const RECEIVING_MS = 10_000;

/** Queues that are followed while nothing of them waits; where they were is in the replay window as well. */
const MAX_QUEUES: number = REPLAY_BLOCKS / 2;

/** How often some of what is remembered is looked at: all of it within a quarter of a minute. */
const PURGE_EVERY_MS = 100;

/** A packet on its way through the checks. */
interface Arrival {
  readonly packet: AppPacket;
  readonly slot: LinkSlot;
  /**
   * The wall clock, ms: looked at once, before anything is done about a message or a probe. A clock that fails
   * leaves no trace, and what it failed for comes again.
   */
  wall: number;
}

/**
 * What happens to bytes that come in, the cheapest check first: length, `accept`, signature,
 * freshness, replay window, order, room. What passes gets its place, is handed over if it is its turn, and is
 * acknowledged last.
 */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #verifier: Verifier;
  readonly #window = new ReplayWindow(REPLAY_BLOCKS, KEPT_BLOCKS);
  readonly #inbox: Inbox<Accepted>;
  readonly #acks: Acks;
  readonly #opener: Opener;
  #purgeAt = 0;
  #crowdedUntil = 0;
  #isOver = false;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#verifier = new Verifier(options.settings.verify, (error) => options.onFailed("verify", error));
    const { address, identity, links, isKnown, onFailed } = options;
    this.#acks = new Acks({
      identity,
      links,
      isKnown,
      onFailed: (error) => onFailed("identity.sign", error),
    });
    this.#opener = new Opener({
      address,
      identity,
      onFailed: (error) => onFailed("identity.sharedSecret", error),
    });
    this.#inbox = new Inbox({
      gapTimeoutMs: options.settings.gapTimeoutMs,
      maxHeldBytes: MAX_HELD_BYTES,
      maxQueues: MAX_QUEUES,
    });
  }

  /** Takes a publish. Never throws for any bytes. */
  async receive(slot: LinkSlot, payload: Uint8Array): Promise<void> {
    const { onDropped } = this.#options;
    const packet = this.#read(payload);
    if (typeof packet === "string") {
      onDropped({ reason: packet, from: undefined, ageMs: undefined, slot });
      return;
    }
    const arrival: Arrival = { packet, slot, wall: Number.NaN };
    const reason = await this.#take(arrival, payload);
    if (reason === undefined) return;
    if (reason === "full") this.#crowdedUntil = monotonicNow() + CROWDED_MS;
    const isAge = reason === "too-old" || reason === "too-new";
    const ageMs = isAge ? arrival.wall - packet.timestamp * 1000 : undefined;
    onDropped({ reason, from: packet.source, ageMs, slot });
  }

  /** Hands over what has waited long enough behind a gap; returns when to call again. */
  expire(now: number): number {
    const isCrowded = now < this.#crowdedUntil;
    // The missing one may be what is coming in.
    const patience = this.#options.links.isReceiving ? RECEIVING_MS : isCrowded ? CROWDED_MS : 0;
    this.#options.onAccepted(this.#inbox.expire(now - patience));
    return this.#inbox.nextAt() + patience;
  }

  /**
   * Hands over everything that was acknowledged, takes nothing more, and resolves when the last ACK is on
   * its way: never, where the signer hangs.
   */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#options.onAccepted(this.#inbox.flush());
    this.#verifier.close();
    this.#opener.close();
    await this.#acks.end();
  }

  /** The checks that cost next to nothing. */
  #read(payload: Uint8Array): AppPacket | DropReason {
    const { maxMessageBytes } = this.#options.settings;
    const longestSealed = sealedLength(maxMessageBytes);
    if (payload.length > PACKET_OVERHEAD + longestSealed) return "too-large";
    const packet = AppPacket.parse(payload);
    if (packet === null) return "malformed";
    const longest = isSealed(packet.message) ? longestSealed : maxMessageBytes;
    return packet.message.length > longest ? "too-large" : packet;
  }

  /** Checks whether it is wanted, then the signature, and does what it asks for. */
  async #take(arrival: Arrival, payload: Uint8Array): Promise<DropReason | undefined> {
    const { outbox } = this.#options;
    const { packet, slot } = arrival;
    const { source, queueId, sequence, type } = packet;
    if (type === MessageType.Ack) {
      const key = Outbox.keyOf(source, queueId, sequence);
      if (!outbox.has(key)) return outbox.isDone(key) ? undefined : "unexpected-ack";
    } else if (!this.#isAccepted(source)) return "not-accepted";
    return await this.#verifier.verify(packet, payload, this.#rankOf(packet), slot.id, async (valid) => {
      if (!valid) return "bad-signature";
      if (type === MessageType.Ack) {
        this.#acknowledged(packet, slot);
        return undefined;
      }
      const wall = this.#lookAtTheClock();
      // It keeps its place, as one does that found no room.
      if (wall === undefined) return "full";
      arrival.wall = wall;
      if (type === MessageType.Message) return await this.#message(arrival);
      this.#acks.give(packet, slot, arrival.wall);
      return undefined;
    });
  }

  /** Asks the application, whose only answer that lets anybody in is `true`. */
  #isAccepted(source: string): boolean {
    const { settings, onFailed } = this.#options;
    if (!settings.accept) return true;
    try {
      // A caller without types may answer anything.
      const answer: unknown = settings.accept(source);
      if (answer === true) return true;
      // Such as a promise, which is not waited for, and may reject.
      callGuarded(
        () => answer,
        () => {},
      );
      check(!answer, "INVALID_OPTION", "accept", "true or false at once", got(answer));
    } catch (error) {
      onFailed("accept", error);
    }
    return false;
  }

  /** The source is only claimed; whoever claims it has to name a queue that goes on as well, to come first. */
  #rankOf({ source, queueId, type }: AppPacket): Rank {
    // An ACK got here only because it is waited for.
    if (type === MessageType.Ack) return 0;
    if (!this.#options.isKnown(source)) return 2;
    return this.#inbox.follows(source + queueId) || this.#window.passed(source, queueId) > 0 ? 0 : 1;
  }

  #acknowledged(packet: AppPacket, slot: LinkSlot): void {
    const { outbox, onSkew } = this.#options;
    const delivery = outbox.get(Outbox.keyOf(packet.source, packet.queueId, packet.sequence));
    const { timestamp, message } = packet;
    delivery?.acknowledge({ slot, timestamp, isBare: isBareAck(message), at: monotonicNow() });
    const wall = this.#lookAtTheClock();
    if (wall === undefined) return;
    const offsetMs = timestamp * 1000 + 500 - wall;
    if (Math.abs(offsetMs) > SKEW_MS) onSkew(packet.source, offsetMs);
  }

  /** The wall clock, ms; nothing where it fails. */
  #lookAtTheClock(): number | undefined {
    const { wallNow, onFailed } = this.#options;
    try {
      return wallNow();
    } catch (error) {
      onFailed("getTime", error);
      return undefined;
    }
  }

  /** Opens a message that is sealed, and takes it. */
  async #message(arrival: Arrival): Promise<DropReason | undefined> {
    const { message } = arrival.packet;
    const sealed = isSealed(message);
    if (!sealed && this.#options.settings.requireEncryption) return "not-sealed";
    const verdict = this.#judge(arrival);
    if (verdict !== "new" || !sealed) return this.#settle(verdict, arrival, message, sealed);

    const data = await this.#opener.open(arrival.packet);
    if (typeof data === "string") return data;
    // A copy may have been opened meanwhile.
    return this.#settle(this.#judge(arrival), arrival, data, sealed);
  }

  /** Freshness, replay, order and room. */
  #judge({ packet, wall }: Arrival): "new" | "seen" | DropReason {
    const { source, queueId, sequence, timestamp } = packet;
    const { hasRoom, isKnown, onSkew } = this.#options;
    const now = monotonicNow();
    const sentAt = timestamp * 1000;
    const ageMs = wall - sentAt;
    this.#purge(wall, now);
    if (ageMs > FRESH_MS || sentAt <= this.#window.floor) return "too-old";
    if (-ageMs > SKEW_MS || ageMs > SKEW_MS + RETRANSMISSION_MS) onSkew(source, -ageMs);
    if (-ageMs > FRESH_MS) return "too-new";

    const known = isKnown(source);
    const seen = this.#window.check(source, queueId, sequence, known);
    if (seen === "seen") return seen;
    const turn = this.#inbox.check(source + queueId, sequence, this.#senderOf(packet));
    if (turn === "late") return "out-of-order";
    const isRoom = hasRoom(source) && this.#acks.hasRoom(source, now);
    return seen === "new" && turn === "accepted" && isRoom ? "new" : "full";
  }

  /** What is new gets its place, is handed over when it is next in order, and is acknowledged then. */
  #settle(
    verdict: "new" | "seen" | DropReason,
    { packet, slot, wall }: Arrival,
    data: Uint8Array,
    sealed: boolean,
  ): DropReason | undefined {
    const { settings, schedule, onAccepted, onDuplicate } = this.#options;
    const { source: from, queueId, sequence, timestamp } = packet;
    // Its signature was still being checked, or it was being opened: nobody is left to be handed it.
    if (this.#isOver) return undefined;
    if (verdict !== "new" && verdict !== "seen") return verdict;
    if (verdict === "new" && data.length > settings.maxMessageBytes) return "too-large";
    const now = monotonicNow();
    const sender = this.#senderOf(packet);
    // A copy as well: its sender may have signed it anew, so that it stays fresh for longer.
    this.#window.add(from, queueId, sequence, timestamp * 1000, wall, now);
    if (verdict === "new") {
      const accepted = { packet, data, sealed, slot };
      onAccepted(this.#inbox.offer(from + queueId, sequence, sender, packet.message.length, accepted, now));
      if (this.#inbox.held > 0) schedule(now + settings.gapTimeoutMs);
    } else onDuplicate();
    // Of a copy as well: the ACK before may have been lost.
    this.#acks.give(packet, slot, wall);
    return undefined;
  }

  #senderOf({ source, queueId }: AppPacket): Sender {
    return {
      source,
      isKnown: this.#options.isKnown(source),
      passed: this.#window.passed(source, queueId),
    };
  }

  #purge(wall: number, now: number): void {
    if (now < this.#purgeAt) return;
    this.#purgeAt = now + PURGE_EVERY_MS;
    this.#window.purge(wall, now);
    this.#inbox.purge(now);
  }
}
