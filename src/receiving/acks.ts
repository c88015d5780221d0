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
  /** Whether this is a peer whose ACKs come before those for strangers. */
  readonly isKnown: (address: string) => boolean;
  /** The identity gave no signature. */
  readonly onFailed: (error: unknown) => void;
}

/** ACKs kept for the copies of their messages, of known peers and of strangers. */
const KEPT_ACKS = 1024;

/**
 * How many signatures may be waited for at once; while there are more, nothing is taken that wants another. Strangers
 * leave a quarter of them to peers that are known, and nobody is owed more than a quarter.
 */
const MAX_UNSIGNED = 1024;
const STRANGERS_SHARE = 0.75;
const SOURCE_SHARE = 0.25;

/** A signature that takes longer is not counted on any more: a copy of the message asks for another. */
const SIGNING_PATIENCE_MS = 5000;

/** A copy that comes later gets an ACK with the time of then: senders read our clock from it. */
const TIMELY_MS = 2000;

/** Whoever asks for an ACK chooses what else is signed in it. This part nobody can know beforehand, and nobody reads. */
const ACK_RANDOM_BYTES = 16;

/** Random bytes are drawn for so many ACKs at a time: a draw takes about as long however much it gives. */
const ACKS_A_DRAW = 64;

/** Whether somebody's ACK says nothing but that, as those of the Python original. */
export function isBareAck(message: Uint8Array): boolean {
  return message.length === 3 && bytesToHex(message) === "61636b";
}

/** An ACK of ours, and where it was given. */
interface Ack {
  /** To whom. */
  readonly to: string;
  readonly payload: Promise<Uint8Array>;
  readonly by: Set<LinkSlot>;
  readonly askedAt: number;
  /** Whether there was one before, of which this is what is sent again. */
  readonly isAnother: boolean;
  isSigned: boolean;
}

/**
 * Acknowledges: an ACK is signed once for each message and the copies that come with it, which are answered with the
 * same bytes, by the broker that each came by. The signer may be somebody else's: one that fails or hangs costs the ACKs that it owes.
 */
export class Acks {
  readonly #options: AcksOptions;
  readonly #acks = new TieredMap<string, Ack>(KEPT_ACKS);
  /** Those that the signer owes, the oldest first. */
  readonly #unsigned = new Set<Ack>();
  /** How many of them each peer waits for. */
  readonly #owed = new Tally<string>();
  /** Random bytes that were not used yet. */
  #random: Uint8Array = new Uint8Array();

  constructor(options: AcksOptions) {
    this.#options = options;
  }

  /** Whether one more can be asked for: what is accepted is to be acknowledged. */
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
   * @param wall - the wall clock, ms
   */
  give(packet: AppPacket, slot: LinkSlot, wall: number): void {
    const { links, isKnown } = this.#options;
    const { source, type } = packet;
    const ack = this.#ackOf(packet, wall);
    const isRepeat = type !== MessageType.Message || ack?.isAnother || ack?.by.has(slot);
    // It goes out with the signature that is waited for.
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

  /** Resolves when the last ACK is on its way: never, where the signer hangs. */
  async end(): Promise<void> {
    await Promise.allSettled([...this.#unsigned].map(({ payload }) => payload));
  }

  /** The ACK of a message; undefined where the signer owes too many. */
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
        // The next copy asks the signer again.
        if (this.#acks.get(key) === ack) this.#acks.delete(key);
        this.#options.onFailed(error);
      },
    );
    return ack;
  }

  /** What nobody has known before. */
  #drawRandom(): Uint8Array {
    if (this.#random.length === 0) this.#random = randomBytes(ACKS_A_DRAW * ACK_RANDOM_BYTES);
    const drawn = this.#random.subarray(0, ACK_RANDOM_BYTES);
    this.#random = this.#random.subarray(ACK_RANDOM_BYTES);
    return drawn;
  }

  /** It is owed no more. */
  #forget(ack: Ack): void {
    if (this.#unsigned.delete(ack)) this.#owed.add(ack.to, -1);
  }
}

function isOverdue({ askedAt }: Ack, now: number): boolean {
  return now - askedAt > SIGNING_PATIENCE_MS;
}
