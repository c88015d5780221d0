import { randomBytes } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import type { Pair } from "../pair.js";
import { formatKey } from "../wireguard-key.js";
import { Budgets } from "./budgets.js";
import { PendingProbes } from "./pending-probes.js";
import { type ProbeKeys, probeKeysOf } from "./probe-keys.js";
import { ProbeAttribute, sessionOf, tagNumber, tagOf, writeAnswer, writeProbe } from "./probe-message.js";
import { ReplayGuard } from "./replay-guard.js";
import { MAX_TOLD_BYTES, open, seal } from "./sealed.js";
import { StunMessage, StunType, TRANSACTION_BYTES } from "./stun-message.js";
import type { View } from "./view.js";

/**
 * The limit for probes to one address, whoever named it, and the same for answers. So nobody is flooded through this
 * host.
 */
const PER_ADDRESS = { perSecond: 16, burst: 32 } as const;
/**
 * The limit for probes to all addresses that one peer names, and for answers to one peer, whatever their addresses are.
 */
const PER_PEER = { perSecond: 64, burst: 128 } as const;
/** The maximum number of addresses that are counted. */
const MAX_ADDRESSES = 8192;
/** The maximum number of probes on their way. */
const MAX_PENDING = 4096;
/** When a message is repeated, in ms after the first time, and when it is given up. */
const TELL_AT_MS = [0, 250, 750, 1750] as const;
const TELL_GIVEN_UP_MS = 3750;

const MAX_COUNTER = 0xffff_ffff;

/** An own probe was answered. */
export interface Answered {
  /** The peer's public key, in base64. */
  readonly peer: string;
  readonly endpoint: Endpoint;
  readonly roundTripMs: number;
  /** The peer's view of this path. */
  readonly view: View;
  /** The address from which the peer saw the probe come: the own address outside of all NATs on this path. */
  readonly seen: Endpoint;
  /** The own address that the answer came to, if that address has a socket. */
  readonly local: string | undefined;
}

/** A probe of a peer came in. */
export interface Probed {
  readonly peer: string;
  readonly endpoint: Endpoint;
  readonly view: View;
  readonly local: string | undefined;
}

/** The events of a prober. */
export interface ProberEvents {
  /** Returns the own view of a path, for answers and messages on it. */
  viewOf(peer: string, endpoint: Endpoint): View;
  onAnswered(answered: Answered): void;
  onProbed(probed: Probed): void;
  /** Called for a message of a peer. The same message may come more than once. */
  onTold(peer: string, bytes: Uint8Array, endpoint: Endpoint, local: string | undefined): void;
}

/** Sends packets: {@link ProbeSockets}. */
export interface PacketSender {
  send(bytes: Uint8Array, remote: Endpoint, local?: string): boolean;
}

/** The number of dropped packets, by reason. */
export interface ProbeDrops {
  /** Packets that the pair's key did not sign, or that came back to their sender. */
  forged: number;
  /** Packets that came before, or of an older boot. */
  replayed: number;
  /** Valid probes that were not answered, and own probes that were not sent, because of the limits. */
  limited: number;
}

/**
 * The part of a peer that is kept after its removal. The peer may come back, and neither side may then take old numbers
 * for new ones, or new ones for old ones.
 */
interface History {
  readonly replays: ReplayGuard;
  /** The number of the last probe to the peer. */
  counter: number;
}

interface Peer {
  readonly name: string;
  readonly keys: ProbeKeys;
  readonly history: History;
}

/**
 * Probes paths to peers, and answers the peers' probes. A foreign packet costs a look at its form and one look-up. A
 * packet with a peer's tag costs one HMAC. Only proven and new packets are answered, remembered or passed on.
 */
export class Prober {
  readonly drops: ProbeDrops = { forged: 0, replayed: 0, limited: 0 };
  readonly #own: () => Uint8Array;
  readonly #boot: () => bigint;
  readonly #sender: PacketSender;
  readonly #events: ProberEvents;
  readonly #now: () => number;
  readonly #peers = new Map<string, Peer>();
  readonly #histories = new Map<string, History>();
  /** The peers by the tag of their probes. */
  readonly #byTag = new Map<bigint, Peer>();
  readonly #pending = new PendingProbes(MAX_PENDING);
  readonly #toAddress = new Budgets(PER_ADDRESS.perSecond, PER_ADDRESS.burst, MAX_ADDRESSES);
  readonly #answersTo = new Budgets(PER_ADDRESS.perSecond, PER_ADDRESS.burst, MAX_ADDRESSES);
  readonly #answersOf = new Budgets(PER_PEER.perSecond, PER_PEER.burst, Number.POSITIVE_INFINITY);
  readonly #ofPeer = new Budgets(PER_PEER.perSecond, PER_PEER.burst, Number.POSITIVE_INFINITY);
  /** The controllers that end the messages on their way. */
  readonly #telling = new Set<AbortController>();

  /**
   * @param options.ownPublicKey - returns 32 bytes; called when a peer is added
   * @param options.boot - returns the current own boot number, which only grows
   * @param options.now - monotonic ms
   */
  constructor(options: {
    readonly ownPublicKey: () => Uint8Array;
    readonly boot: () => bigint;
    readonly sender: PacketSender;
    readonly events: ProberEvents;
    readonly now?: () => number;
  }) {
    this.#own = options.ownPublicKey;
    this.#boot = options.boot;
    this.#sender = options.sender;
    this.#events = options.events;
    this.#now = options.now ?? (() => performance.now());
  }

  /**
   * Adds a peer.
   * @param publicKey - 32 bytes
   * @param seenBoot - the newest known boot number of the peer; probes of older boots are replays
   * @returns the peer's name in all events: its public key in base64
   */
  addPeer(publicKey: Uint8Array, pair: Pair, seenBoot?: bigint): string {
    const name = formatKey(publicKey);
    if (this.#peers.has(name)) return name;
    const keys = probeKeysOf(pair, this.#own(), publicKey);
    const history = this.#histories.get(name) ?? { replays: new ReplayGuard(seenBoot), counter: 0 };
    this.#histories.set(name, history);
    const peer: Peer = { name, keys, history };
    this.#peers.set(name, peer);
    this.#byTag.set(tagNumber(keys.remoteTag), peer);
    return name;
  }

  /** Removes a peer and its pending probes, but keeps the numbers of its probes. */
  removePeer(name: string): void {
    const peer = this.#peers.get(name);
    if (peer === undefined) return;
    this.#peers.delete(name);
    this.#byTag.delete(tagNumber(peer.keys.remoteTag));
    this.#pending.deletePeer(name);
  }

  /**
   * Sends one probe. An answer within 5 s causes `onAnswered`.
   * @param options.local - the own address to send from; without it the kernel chooses
   * @param options.bytes - the minimum length of the UDP payload, to find out how long packets on the path may be
   * @returns whether the probe was sent; false beyond the limits, and for a host that is not a peer
   */
  send(
    name: string,
    endpoint: Endpoint,
    view: View,
    options: { readonly local?: string | undefined; readonly bytes?: number | undefined } = {},
  ): boolean {
    return this.#send(name, endpoint, view, options);
  }

  /**
   * Sends a message to a peer on a working path, sealed in a probe. Without an answer the message is repeated after
   * 250, 750 and 1750 ms. The peer may get it more than once.
   * @param bytes - at most 1260 bytes
   * @returns whether the peer has received it; false after 3.75 s, or when the prober is closed
   */
  async tell(name: string, endpoint: Endpoint, bytes: Uint8Array): Promise<boolean> {
    const peer = this.#peers.get(name);
    if (peer === undefined || bytes.length > MAX_TOLD_BYTES) return false;
    const sealed = seal(peer.keys, bytes);
    const over = new AbortController();
    let isTold = false;
    const onAnswer = (): void => {
      isTold = true;
      over.abort();
    };
    this.#telling.add(over);
    for (const [i, at] of TELL_AT_MS.entries()) {
      if (over.signal.aborted) break;
      this.#send(name, endpoint, this.#events.viewOf(name, endpoint), { sealed, onAnswer });
      const pause = (TELL_AT_MS[i + 1] ?? TELL_GIVEN_UP_MS) - at;
      await wait(pause, undefined, { signal: over.signal, ref: false }).catch(() => {});
    }
    this.#telling.delete(over);
    return isTold;
  }

  /**
   * Handles a packet.
   * @param remote - the source of the packet
   * @param local - the own address that it came to, if that address has a socket
   * @returns whether the packet was a peer's; if not, it may belong to somebody else
   */
  receive(bytes: Uint8Array, remote: Endpoint, local: string | undefined): boolean {
    const message = StunMessage.read(bytes);
    if (message === undefined) return false;
    return message.type === StunType.BindingSuccess
      ? this.#receiveAnswer(message, remote, local)
      : this.#receiveProbe(message, remote, local);
  }

  /** Ends the messages on their way. */
  close(): void {
    for (const over of this.#telling) over.abort();
    for (const name of [...this.#peers.keys()]) this.removePeer(name);
  }

  #send(
    name: string,
    endpoint: Endpoint,
    view: View,
    options: {
      readonly local?: string | undefined;
      readonly bytes?: number | undefined;
      readonly sealed?: Uint8Array;
      readonly onAnswer?: () => void;
    },
  ): boolean {
    const peer = this.#peers.get(name);
    // A counter that starts again would be a replay. Reaching the maximum takes two years at the highest rate.
    if (peer === undefined || peer.history.counter >= MAX_COUNTER) return false;
    const now = this.#now();
    if (!this.#ofPeer.take(name, now) || !this.#toAddress.take(endpoint.address, now)) {
      this.drops.limited++;
      return false;
    }
    const { local, bytes, sealed, onAnswer } = options;
    const transaction = new Uint8Array(randomBytes(TRANSACTION_BYTES));
    const counter = ++peer.history.counter;
    const probe = writeProbe(peer.keys, { transaction, boot: this.#boot(), counter, view, sealed, bytes });
    this.#pending.add(transaction, { peer: name, endpoint, sentAt: now, onAnswer });
    return this.#sender.send(probe, endpoint, local);
  }

  #receiveAnswer(message: StunMessage, remote: Endpoint, local: string | undefined): boolean {
    const now = this.#now();
    const pending = this.#pending.get(message.transaction, now);
    const peer = pending && this.#peers.get(pending.peer);
    if (pending === undefined || peer === undefined) return false;
    const said = sessionOf(message);
    const seen = message.mappedAddress;
    const isProven =
      formatEndpoint(remote) === formatEndpoint(pending.endpoint) &&
      said !== undefined &&
      seen !== undefined &&
      said.isHigher !== peer.keys.isHigher &&
      message.isSignedBy(peer.keys.integrity);
    if (!isProven) {
      this.drops.forged++;
      return true;
    }
    this.#pending.delete(message.transaction);
    pending.onAnswer?.();
    const roundTripMs = now - pending.sentAt;
    const { view } = said;
    this.#events.onAnswered({ peer: peer.name, endpoint: pending.endpoint, roundTripMs, view, seen, local });
    return true;
  }

  #receiveProbe(message: StunMessage, remote: Endpoint, local: string | undefined): boolean {
    const tag = tagOf(message);
    const peer = tag === undefined ? undefined : this.#byTag.get(tag);
    if (peer === undefined) return false;
    const said = sessionOf(message);
    if (said === undefined) return false;
    const { boot, counter, view } = said;
    // This check before the integrity check only saves time: nothing is remembered yet.
    if (!peer.history.replays.isNew(boot, counter)) {
      this.drops.replayed++;
      return true;
    }
    if (said.isHigher === peer.keys.isHigher || !message.isSignedBy(peer.keys.integrity)) {
      this.drops.forged++;
      return true;
    }
    peer.history.replays.accept(boot, counter);
    this.#accept(peer, message, view, remote, local);
    return true;
  }

  /** Handles a proven and new probe. */
  #accept(peer: Peer, message: StunMessage, view: View, remote: Endpoint, local: string | undefined): void {
    const { name, keys } = peer;
    const now = this.#now();
    if (!this.#answersOf.take(name, now) || !this.#answersTo.take(remote.address, now)) {
      this.drops.limited++;
      return;
    }
    const sealed = message.attribute(ProbeAttribute.Sealed);
    const told = sealed && open(keys, sealed);
    // The answer also confirms the message, so a message that does not open must not be answered.
    if (sealed !== undefined && told === undefined) {
      this.drops.forged++;
      return;
    }
    const { transaction } = message;
    const answer = { transaction, boot: this.#boot(), view: this.#events.viewOf(name, remote), seen: remote };
    this.#sender.send(writeAnswer(keys, answer), remote, local);
    this.#events.onProbed({ peer: name, endpoint: remote, view, local });
    if (told !== undefined) this.#events.onTold(name, told, remote, local);
  }
}
