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
  /** Not a packet: the bytes are too few, or a field is out of range. */
  | "malformed"
  /** Longer than `maxMessageBytes` allows. */
  | "too-large"
  /** The `accept` function did not return `true`. */
  | "not-accepted"
  /** An ACK that nobody waits for: a late one, a copy, or one for another sender. */
  | "unexpected-ack"
  /** The source did not sign the packet. */
  | "bad-signature"
  /** The packet was sent more than 120 s ago, according to its timestamp. */
  | "too-old"
  /** The packet's timestamp is more than 120 s in the future. */
  | "too-new"
  /** The message is not sealed, although `requireEncryption` is set. */
  | "not-sealed"
  /** The message is sealed for another key or another packet, or was changed on its way. */
  | "not-opened"
  /** Later messages of the same queue were handed over already. */
  | "out-of-order"
  /**
   * There was no room to remember, hold or verify the packet, or `getTime` failed. No ACK is sent, so the sender tries
   * again.
   */
  | "full";

/** A packet that was dropped, and the broker that it came by. */
export interface Drop {
  readonly reason: DropReason;
  /** The claimed source. The source is only proven for reasons that come after the signature check. */
  readonly from: string | undefined;
  /**
   * The packet's age according to its timestamp, in ms; negative for a timestamp in the future. Only with `too-old` and
   * `too-new`.
   */
  readonly ageMs: number | undefined;
  readonly slot: LinkSlot;
}

/** An accepted message. Messages must be handed over in the order in which they are returned. */
export interface Accepted {
  readonly packet: AppPacket;
  /** The content of the message, opened if the message was sealed. */
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
  /** Whether a peer comes before strangers: it has answered before, or `accept` has allowed it. */
  readonly isKnown: (address: string) => boolean;
  /** Whether the application has room for one more message of this peer. */
  readonly hasRoom: (from: string) => boolean;
  readonly onAccepted: (messages: readonly Accepted[]) => void;
  readonly onDropped: (drop: Drop) => void;
  /** Called for a copy of a message that was accepted before. */
  readonly onDuplicate: () => void;
  /** Called when a peer's clock differs; ms, positive when the peer's clock is ahead. */
  readonly onSkew: (from: string, offsetMs: number) => void;
  /** Called when one of the application's functions failed, with the function's name and the error. */
  readonly onFailed: (name: string, error: unknown) => void;
  /** Sets the router's alarm for messages that wait behind gaps. */
  readonly schedule: (at: number) => void;
}

/** The difference between two clocks that is reported, in ms. */
const SKEW_MS = 30_000;

/** How long a Python sender repeats a message with the same timestamp, in ms. */
const RETRANSMISSION_MS = 60_000;

/** The size of the replay window, in blocks of 32 neighbouring messages. */
const REPLAY_BLOCKS = 65_536;

/**
 * The number of blocks that are kept longer than necessary, so that wrong wall clocks may be corrected. These blocks
 * take 2 MB at most.
 */
const KEPT_BLOCKS = 2048;

/**
 * The maximum number of bytes that wait behind gaps, over all senders: 4096 short messages, or 240 messages of 64 KiB.
 * A waiting message is in memory three times at most: as it came, without its head, and opened.
 */
const MAX_HELD_BYTES: number = 16 << 20;

/**
 * After a message found no room, gaps are given up this much later for this time, in ms. The refused message fills its
 * gap when it comes again, and its sender tries for 4 s by default.
 */
const CROWDED_MS = 3000;

/** While a long message is coming in, gaps are given up this much later, in ms. A slow line needs that time. */
const RECEIVING_MS = 10_000;

/**
 * The maximum number of queues without waiting messages that the inbox follows. The replay window remembers their
 * positions as well.
 */
const MAX_QUEUES: number = REPLAY_BLOCKS / 2;

/** The pause between two purges, in ms. Each purge looks at a part, and all parts are visited within 15 s. */
const PURGE_EVERY_MS = 100;

/** A packet that passes through the checks. */
interface Arrival {
  readonly packet: AppPacket;
  readonly slot: LinkSlot;
  /**
   * The wall clock, in ms. The clock is read once for a message or a probe, before anything is stored. So a clock that
   * fails changes nothing, and the packet can come again.
   */
  wall: number;
}

/**
 * Checks the bytes that come in, the cheapest check first: length, `accept`, signature, freshness, replay window,
 * order, room. A message that passes is remembered, then handed over if it is next in order, and acknowledged last.
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

  /** Handles a publish. Never throws, whatever the bytes are. */
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

  /** Hands over the messages that have waited long enough behind a gap. Returns the time of the next call. */
  expire(now: number): number {
    const isCrowded = now < this.#crowdedUntil;
    // The missing message may be the one that is coming in.
    const patience = this.#options.links.isReceiving ? RECEIVING_MS : isCrowded ? CROWDED_MS : 0;
    this.#options.onAccepted(this.#inbox.expire(now - patience));
    return this.#inbox.nextAt() + patience;
  }

  /**
   * Hands over all acknowledged messages, and accepts nothing more. Resolves when the last ACK is published. Never
   * resolves if the signer hangs.
   */
  async end(): Promise<void> {
    this.#isOver = true;
    this.#options.onAccepted(this.#inbox.flush());
    this.#verifier.close();
    this.#opener.close();
    await this.#acks.end();
  }

  /** The checks that take almost no time. */
  #read(payload: Uint8Array): AppPacket | DropReason {
    const { maxMessageBytes } = this.#options.settings;
    const longestSealed = sealedLength(maxMessageBytes);
    if (payload.length > PACKET_OVERHEAD + longestSealed) return "too-large";
    const packet = AppPacket.parse(payload);
    if (packet === null) return "malformed";
    const longest = isSealed(packet.message) ? longestSealed : maxMessageBytes;
    return packet.message.length > longest ? "too-large" : packet;
  }

  /** Checks whether the packet is wanted, verifies the signature, and then handles the packet. */
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
      // The message keeps its place at the sender, like every message without room: the sender repeats it.
      if (wall === undefined) return "full";
      arrival.wall = wall;
      if (type === MessageType.Message) return await this.#message(arrival);
      this.#acks.give(packet, slot, arrival.wall);
      return undefined;
    });
  }

  /** Asks the application. Only the answer `true` lets a packet in. */
  #isAccepted(source: string): boolean {
    const { settings, onFailed } = this.#options;
    if (!settings.accept) return true;
    try {
      // A caller without types may return any value.
      const answer: unknown = settings.accept(source);
      if (answer === true) return true;
      // The value may be a promise. Nobody waits for it, so a rejection must be caught.
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

  /**
   * The rank is decided before the signature check, so the source may be forged. To get the first rank, an attacker
   * would also have to name a queue of the known peer that has accepted messages.
   */
  #rankOf({ source, queueId, type }: AppPacket): Rank {
    // An ACK gets here only if a message waits for it.
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

  /** The wall clock, in ms; undefined when it fails. */
  #lookAtTheClock(): number | undefined {
    const { wallNow, onFailed } = this.#options;
    try {
      return wallNow();
    } catch (error) {
      onFailed("getTime", error);
      return undefined;
    }
  }

  /** Handles a message, and opens it first if it is sealed. */
  async #message(arrival: Arrival): Promise<DropReason | undefined> {
    const { message } = arrival.packet;
    const sealed = isSealed(message);
    if (!sealed && this.#options.settings.requireEncryption) return "not-sealed";
    const verdict = this.#judge(arrival);
    if (verdict !== "new" || !sealed) return this.#settle(verdict, arrival, message, sealed);

    const data = await this.#opener.open(arrival.packet);
    if (typeof data === "string") return data;
    // A copy may have been accepted while this one was being opened.
    return this.#settle(this.#judge(arrival), arrival, data, sealed);
  }

  /** Checks freshness, replay, order and room. */
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

  /** A new message is remembered, handed over when it is next in order, and then acknowledged. */
  #settle(
    verdict: "new" | "seen" | DropReason,
    { packet, slot, wall }: Arrival,
    data: Uint8Array,
    sealed: boolean,
  ): DropReason | undefined {
    const { settings, schedule, onAccepted, onDuplicate } = this.#options;
    const { source: from, queueId, sequence, timestamp } = packet;
    // The router was closed during the signature check or the opening, so nobody can get the message any more.
    if (this.#isOver) return undefined;
    if (verdict !== "new" && verdict !== "seen") return verdict;
    if (verdict === "new" && data.length > settings.maxMessageBytes) return "too-large";
    const now = monotonicNow();
    const sender = this.#senderOf(packet);
    // Copies are recorded as well: the sender may have signed a copy with a newer timestamp, which stays fresh for
    // longer.
    this.#window.add(from, queueId, sequence, timestamp * 1000, wall, now);
    if (verdict === "new") {
      const accepted = { packet, data, sealed, slot };
      onAccepted(this.#inbox.offer(from + queueId, sequence, sender, packet.message.length, accepted, now));
      if (this.#inbox.held > 0) schedule(now + settings.gapTimeoutMs);
    } else onDuplicate();
    // Copies are acknowledged as well: the earlier ACK may have been lost.
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
