import { bytesToHex, randomBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { monotonicNow } from "../base/alarm.js";
import { Tally } from "../base/tally.js";
import { TieredMap } from "../base/tiered-map.js";
import type { LinkSet } from "../brokers/link-set.js";
import type { LinkSlot } from "../brokers/link-slot.js";
import { Reserve } from "../brokers/token-bucket.js";
import { Outbox } from "../sending/outbox.js";
import type { Identity } from "../wire/identity.js";
import { AppPacket, MessageType } from "../wire/packet.js";

export interface AcksOptions {
  readonly identity: Identity;
  readonly links: LinkSet;
  /** Whether a peer's ACKs come before those for strangers. */
  readonly isKnown: (address: string) => boolean;
  /** Called when the identity could not sign. */
  readonly onFailed: (error: unknown) => void;
}

/**
 * The number of ACKs that are kept for further copies of their messages: so many for known peers, and so many for
 * strangers.
 */
const KEPT_ACKS = 1024;

/**
 * The maximum number of signatures that may be outstanding at once. At the limit, no message that needs another
 * signature is accepted. Strangers leave a quarter of the limit to known peers, and no single source gets more than a
 * quarter.
 */
const MAX_UNSIGNED = 1024;
const STRANGERS_SHARE = 0.75;
const SOURCE_SHARE = 0.25;

/** A signature that takes longer than this is given up, in ms. The next copy of the message asks for another one. */
const SIGNING_PATIENCE_MS = 5000;

/**
 * A copy that comes later than this after its ACK gets a new ACK with the current time, in ms. Senders calculate the
 * clock difference from that time.
 */
const TIMELY_MS = 2000;

/**
 * The number of random bytes in an ACK. A peer chooses the other content that an ACK signs: queue id and number. The
 * random bytes make the signed data unpredictable for the peer. Nobody reads them.
 */
const ACK_RANDOM_BYTES = 16;

/** The number of ACKs that random bytes are drawn for at once. A draw takes about the same time for any length. */
const ACKS_A_DRAW = 64;

/** Whether an ACK contains nothing but the text `ack`, as the ACKs of the Python original do. */
export function isBareAck(message: Uint8Array): boolean {
  return message.length === 3 && bytesToHex(message) === "61636b";
}

/** An own ACK, and the brokers where it was published. */
interface Ack {
  /** The address that the ACK is for. */
  readonly to: string;
  readonly payload: Promise<Uint8Array>;
  readonly by: Set<LinkSlot>;
  readonly askedAt: number;
  /** Whether this ACK replaces an earlier one for the same message. */
  readonly isAnother: boolean;
  isSigned: boolean;
}

/**
 * Signs and publishes ACKs. One ACK is signed for a message and the copies that come with it. Each copy is answered
 * with the same bytes, by the broker that the copy came by. The application may provide the signer: a signer that fails
 * or hangs only costs its own ACKs.
 */
export class Acks {
  readonly #options: AcksOptions;
  readonly #acks = new TieredMap<string, Ack>(KEPT_ACKS);
  /** The ACKs that are not signed yet, the oldest first. */
  readonly #unsigned = new Set<Ack>();
  /** The number of unsigned ACKs for each peer. */
  readonly #owed = new Tally<string>();
  /** Random bytes that were not used yet. */
  #random: Uint8Array = new Uint8Array();

  constructor(options: AcksOptions) {
    this.#options = options;
  }

  /** Whether one more ACK can be signed. A message must only be accepted if its ACK can be signed. */
  hasRoom(to: string, now: number): boolean {
    for (const ack of this.#unsigned) {
      if (!isOverdue(ack, now)) break;
      this.#forget(ack);
    }
    const share = this.#options.isKnown(to) ? 1 : STRANGERS_SHARE;
    return this.#unsigned.size < MAX_UNSIGNED * share && this.#owed.of(to) < MAX_UNSIGNED * SOURCE_SHARE;
  }

  /**
   * Answers a message or a probe, by the broker that it came by.
   * @param wall - the wall clock, in ms
   */
  give(packet: AppPacket, slot: LinkSlot, wall: number): void {
    const { links, isKnown } = this.#options;
    const { source, type } = packet;
    const ack = this.#ackOf(packet, wall);
    const isRepeat = type !== MessageType.Message || ack?.isAnother || ack?.by.has(slot);
    // The ACK is published on this broker already, as soon as it is signed.
    if (ack === undefined || (!ack.isSigned && ack.by.has(slot))) return;
    ack.by.add(slot);
    const forWhom = isKnown(source) ? Reserve.None : Reserve.Stranger;
    const publish = (payload: Uint8Array): void => {
      const now = monotonicNow();
      if (slot.bucket.take(now, isRepeat ? Reserve.Repeat : forWhom))
        links.publish(slot, source, payload, now);
    };
    ack.payload.then(publish).catch(() => {});
  }

  /** Resolves when the last ACK is published. Never resolves if the signer hangs. */
  async end(): Promise<void> {
    await Promise.allSettled([...this.#unsigned].map(({ payload }) => payload));
  }

  /** The ACK for a message; undefined when too many signatures are outstanding. */
  #ackOf({ source, queueId, sequence }: AppPacket, wall: number): Ack | undefined {
    const now = monotonicNow();
    const key = Outbox.keyOf(source, queueId, sequence);
    const kept = this.#acks.get(key);
    if (kept && now - kept.askedAt <= (kept.isSigned ? TIMELY_MS : SIGNING_PATIENCE_MS)) return kept;
    if (!this.hasRoom(source, now)) return undefined;
    const message = utf8ToBytes(`ack ${bytesToHex(this.#drawRandom())}`);
    const payload = AppPacket.pack(
      {
        queueId,
        sequence,
        timestamp: Math.floor(wall / 1000),
        type: MessageType.Ack,
        message,
      },
      this.#options.identity,
    );
    const isAnother = kept !== undefined;
    const ack: Ack = { to: source, payload, by: new Set(), askedAt: now, isAnother, isSigned: false };
    this.#acks.set(key, ack, this.#options.isKnown(source));
    this.#unsigned.add(ack);
    this.#owed.add(source, 1);
    payload.then(
      () => {
        ack.isSigned = true;
        this.#forget(ack);
      },
      (error: unknown) => {
        this.#forget(ack);
        // So the next copy of the message asks the signer again.
        if (this.#acks.get(key) === ack) this.#acks.delete(key);
        this.#options.onFailed(error);
      },
    );
    return ack;
  }

  /** Random bytes that were not used before. */
  #drawRandom(): Uint8Array {
    if (this.#random.length === 0) this.#random = randomBytes(ACKS_A_DRAW * ACK_RANDOM_BYTES);
    const drawn = this.#random.subarray(0, ACK_RANDOM_BYTES);
    this.#random = this.#random.subarray(ACK_RANDOM_BYTES);
    return drawn;
  }

  /** The ACK is not outstanding any more. */
  #forget(ack: Ack): void {
    if (this.#unsigned.delete(ack)) this.#owed.add(ack.to, -1);
  }
}

function isOverdue({ askedAt }: Ack, now: number): boolean {
  return now - askedAt > SIGNING_PATIENCE_MS;
}
