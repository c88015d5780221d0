import { monotonicNow } from "./alarm.js";
import type { Delivery } from "./delivery.js";
import type { Identity } from "./identity.js";
import { Inbox } from "./inbox.js";
import type { LinkSet, LinkSlot } from "./link-set.js";
import type { Settings } from "./options.js";
import { Outbox } from "./outbox.js";
import { AppPacket, MessageType, PACKET_OVERHEAD } from "./packet.js";
import { FRESH_MS, ReplayWindow } from "./replay-window.js";
import { Verifier } from "./verifier.js";

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
  /** It came after messages that were sent behind it had been handed over. */
  | "out-of-order"
  /** No room to remember, hold or verify it: not acknowledged, so that the sender tries again. */
  | "full";

/** Why something was not taken, as far as that is known. */
interface Refusal {
  readonly reason: DropReason;
  /** Who it says it is from; proven only for the reasons that come after the signature. */
  readonly from?: string;
  /** How old it was by its sender's clock, ms; negative when from ahead. With `too-old` and `too-new`. */
  readonly ageMs?: number;
}

/** A packet that was dropped, and the broker it came by. */
export interface Drop extends Refusal {
  readonly slot: LinkSlot;
}

/** A message that was accepted: to be handed over in this order. */
export interface Accepted {
  readonly packet: AppPacket;
  readonly slot: LinkSlot;
}

export interface ReceiverOptions {
  readonly address: string;
  readonly identity: Identity;
  readonly settings: Settings;
  readonly links: LinkSet;
  readonly outbox: Outbox<Delivery>;
  readonly wallNow: () => number;
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

/** Messages that may wait behind gaps, and queues that are followed, over all senders. */
const MAX_HELD = 4096;
const MAX_QUEUES = 65_536;

/** ACKs kept for the copies of their messages. */
const KEPT_ACKS = 1024;

/** How often the replay window is purged. */
const PURGE_EVERY_MS = 10_000;

const ACK_TEXT: Uint8Array = new TextEncoder().encode("ack");

/**
 * What happens to bytes that come in, the cheapest check first: length, topic, `accept`, signature,
 * freshness, replay window, order, room. What passes is acknowledged, then handed over.
 */
export class Receiver {
  readonly #options: ReceiverOptions;
  readonly #verifier: Verifier;
  readonly #window = new ReplayWindow(REPLAY_BLOCKS);
  readonly #inbox: Inbox<Accepted>;
  /** Signed once for each message; its copies are answered with the same bytes. */
  readonly #acks = new Map<string, Promise<Uint8Array>>();
  readonly #pending = new Set<Promise<void>>();
  #purgeAt = 0;

  constructor(options: ReceiverOptions) {
    this.#options = options;
    this.#verifier = new Verifier(options.settings.verify);
    this.#inbox = new Inbox({
      gapTimeoutMs: options.settings.gapTimeoutMs,
      maxHeld: MAX_HELD,
      maxQueues: MAX_QUEUES,
    });
  }

  /** Takes a publish. Never throws for any bytes. */
  async receive(slot: LinkSlot, payload: Uint8Array, topic: string): Promise<void> {
    const packet = this.#screen(payload, topic);
    const refusal = packet instanceof AppPacket ? await this.#take(packet, payload, slot) : packet;
    if (refusal !== undefined) this.#options.onDropped({ ...refusal, slot });
  }

  /** Hands over what has waited long enough behind a gap; returns when to call again. */
  expire(now: number): number {
    this.#handOver(this.#inbox.expire(now));
    return this.#inbox.nextAt();
  }

  /** Hands over everything that was acknowledged, and resolves when the last ACK is on its way. */
  async flush(): Promise<void> {
    this.#handOver(this.#inbox.flush());
    await Promise.allSettled(this.#pending);
  }

  /** The checks that cost next to nothing. */
  #screen(payload: Uint8Array, topic: string): AppPacket | Refusal {
    const { address, settings, outbox } = this.#options;
    if (topic !== address) return { reason: "foreign-topic" };
    if (payload.length > PACKET_OVERHEAD + settings.maxMessageBytes) return { reason: "too-large" };
    const packet = AppPacket.parse(payload);
    if (packet === null) return { reason: "malformed" };

    const { source: from, queueId, sequence, type } = packet;
    if (type === MessageType.Ack) {
      return outbox.has(Outbox.keyOf(from, queueId, sequence)) ? packet : { reason: "unexpected-ack", from };
    }
    const accepted = settings.accept === undefined || settings.accept(from);
    return accepted ? packet : { reason: "not-accepted", from };
  }

  /** Checks the signature, and does what the packet asks for. */
  async #take(packet: AppPacket, payload: Uint8Array, slot: LinkSlot): Promise<Refusal | undefined> {
    const { source: from, type } = packet;
    const valid = await this.#verifier.verify(packet, payload);
    if (valid === "busy") return { reason: "full", from };
    if (!valid) return { reason: "bad-signature", from };
    if (type === MessageType.Message) return this.#message(packet, slot);
    if (type === MessageType.Ack) this.#acknowledged(packet, slot);
    else this.#acknowledge(packet, slot);
    return undefined;
  }

  #acknowledged(packet: AppPacket, slot: LinkSlot): void {
    const { outbox, wallNow, onSkew } = this.#options;
    const delivery = outbox.get(Outbox.keyOf(packet.source, packet.queueId, packet.sequence));
    delivery?.acknowledge({ slot, timestamp: packet.timestamp, at: monotonicNow() });
    const offsetMs = packet.timestamp * 1000 + 500 - wallNow();
    if (Math.abs(offsetMs) > SKEW_MS) onSkew(packet.source, offsetMs);
  }

  /** Freshness, replay, order and room; then the ACK, then the application. */
  #message(packet: AppPacket, slot: LinkSlot): Refusal | undefined {
    const { settings, wallNow, hasRoom, onDuplicate, onSkew } = this.#options;
    const { source: from, sequence } = packet;
    const now = monotonicNow();
    const wall = wallNow();
    const sentAt = packet.timestamp * 1000;
    const ageMs = wall - sentAt;
    this.#purge(wall, now);
    if (ageMs > FRESH_MS || sentAt <= this.#window.floor) return { reason: "too-old", from, ageMs };
    if (-ageMs > FRESH_MS) return { reason: "too-new", from, ageMs };
    if (-ageMs > SKEW_MS || ageMs > SKEW_MS + RETRANSMISSION_MS) onSkew(from, -ageMs);

    const queue = from + packet.queueId;
    const seen = this.#window.check(queue, sequence);
    if (seen === "seen") {
      onDuplicate();
      this.#acknowledge(packet, slot);
      return undefined;
    }
    const turn = this.#inbox.check(queue, sequence, now);
    if (turn === "late") return { reason: "out-of-order", from };
    if (seen === "full" || turn === "full" || !hasRoom()) return { reason: "full", from };

    this.#window.add(queue, sequence, sentAt, wall, now);
    this.#acknowledge(packet, slot);
    this.#handOver(this.#inbox.offer(queue, sequence, { packet, slot }, now));
    if (this.#inbox.held > 0) this.#options.schedule(now + settings.gapTimeoutMs);
    return undefined;
  }

  #handOver(messages: readonly Accepted[]): void {
    if (messages.length > 0) this.#options.onAccepted(messages);
  }

  /** Answers by the broker that the packet came by. */
  #acknowledge({ source, queueId, sequence }: AppPacket, slot: LinkSlot): void {
    const { identity, links, wallNow } = this.#options;
    const key = Outbox.keyOf(source, queueId, sequence);
    let ack = this.#acks.get(key);
    if (ack === undefined) {
      const timestamp = Math.floor(wallNow() / 1000);
      ack = AppPacket.pack(
        { queueId, sequence, timestamp, type: MessageType.Ack, message: ACK_TEXT },
        identity,
      );
      this.#acks.set(key, ack);
      const oldest = this.#acks.size > KEPT_ACKS ? this.#acks.keys().next().value : undefined;
      if (oldest !== undefined) this.#acks.delete(oldest);
    }
    const done = ack
      .then((payload) => {
        const now = monotonicNow();
        if (slot.bucket.takeForAck(now)) links.publish(slot, source, payload, now);
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
  }
}
