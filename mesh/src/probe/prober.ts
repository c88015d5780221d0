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

/** Probes a second to one address, whoever named it; as many answers. Nobody is hit harder by us than that. */
const PER_ADDRESS = { perSecond: 16, burst: 32 } as const;
/** Probes a second to all that one peer names; as many answers to one peer, from wherever its probes seem to come. */
const PER_PEER = { perSecond: 64, burst: 128 } as const;
/** How many addresses are counted at once. */
const MAX_ADDRESSES = 8192;
/** How many probes may be on their way. */
const MAX_PENDING = 4096;
/** When something told is sent, and when it is given up, ms after the first time. */
const TELL_AT_MS = [0, 250, 750, 1750] as const;
const TELL_GIVEN_UP_MS = 3750;

const MAX_COUNTER = 0xffff_ffff;

/** A probe of ours was answered. */
export interface Answered {
  /** The peer's public key, base64. */
  readonly peer: string;
  readonly endpoint: Endpoint;
  readonly roundTripMs: number;
  /** What the peer says of this path. */
  readonly view: View;
  /** Where the peer saw the probe come from: the own address outside of all NATs on this path. */
  readonly seen: Endpoint;
  /** The own address that the answer came to, if that one has a socket. */
  readonly local: string | undefined;
}

/** A probe of a peer came in. */
export interface Probed {
  readonly peer: string;
  readonly endpoint: Endpoint;
  readonly view: View;
  readonly local: string | undefined;
}

/** Whom a prober tells. */
export interface ProberEvents {
  /** What we say of a path, in answers on it and beside what is told on it. */
  viewOf(peer: string, endpoint: Endpoint): View;
  onAnswered(answered: Answered): void;
  onProbed(probed: Probed): void;
  /** The peer tells something. It may come more than once. */
  onTold(peer: string, bytes: Uint8Array, endpoint: Endpoint, local: string | undefined): void;
}

/** What it sends by: {@link ProbeSockets}. */
export interface PacketSender {
  send(bytes: Uint8Array, remote: Endpoint, local?: string): boolean;
}

/** How many packets came to nothing, and why. */
export interface ProbeDrops {
  /** Not signed by the pair's key, or by ourselves. */
  forged: number;
  /** There before, or of an older start. */
  replayed: number;
  /** Good probes that were not answered, and own ones that were not sent, to keep within the limits. */
  limited: number;
}

/** What is not forgotten with a peer: it may come back, and neither side must take old numbers for new, or the reverse. */
interface History {
  readonly replays: ReplayGuard;
  /** Of the last probe to it. */
  counter: number;
}

interface Peer {
  readonly name: string;
  readonly keys: ProbeKeys;
  readonly history: History;
}

/**
 * Probes paths to peers, and answers the peers' probes. A packet that is no peer's costs a look at its form and one
 * look-up; one that says it is a peer's, one HMAC; only what is proven and new is answered, remembered or told.
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
  /** Who sends probes with this tag. */
  readonly #byTag = new Map<bigint, Peer>();
  readonly #pending = new PendingProbes(MAX_PENDING);
  readonly #toAddress = new Budgets(PER_ADDRESS.perSecond, PER_ADDRESS.burst, MAX_ADDRESSES);
  readonly #answersTo = new Budgets(PER_ADDRESS.perSecond, PER_ADDRESS.burst, MAX_ADDRESSES);
  readonly #answersOf = new Budgets(PER_PEER.perSecond, PER_PEER.burst, Number.POSITIVE_INFINITY);
  readonly #ofPeer = new Budgets(PER_PEER.perSecond, PER_PEER.burst, Number.POSITIVE_INFINITY);
  /** Ends each thing that is being told. */
  readonly #telling = new Set<AbortController>();

  /**
   * @param options.ownPublicKey - 32 bytes, as it is when a peer is added
   * @param options.boot - the own boot number as it is now; it only grows
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
   * Makes a peer known.
   * @param publicKey - 32 bytes
   * @param seenBoot - the newest boot number known of it: probes of older starts are replays
   * @returns its name in all that is told: its public key, base64
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

  /** Forgets a peer and what was sent to it, but not the numbers of its probes. */
  removePeer(name: string): void {
    const peer = this.#peers.get(name);
    if (peer === undefined) return;
    this.#peers.delete(name);
    this.#byTag.delete(tagNumber(peer.keys.remoteTag));
    this.#pending.deletePeer(name);
  }

  /**
   * Sends one probe. Its answer is told as `onAnswered`, if one comes within 5 s.
   * @param options.local - the own address that it leaves from; the kernel chooses when there is none
   * @param options.bytes - how long the UDP payload shall be at least, to find what the path carries
   * @returns whether it left: not beyond the limits, nor to somebody who is no peer
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
   * Tells a peer something on a path that works: sealed, in a probe, again after 250, 750 and 1750 ms while no answer
   * comes. The peer may be told more than once.
   * @param bytes - at most 1260
   * @returns whether the peer has it; false after 3.75 s, or when closed
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
   * Looks at a packet.
   * @param remote - where it came from
   * @param local - the own address it came to, if that one has a socket
   * @returns whether it was a peer's; false: somebody else may know it
   */
  receive(bytes: Uint8Array, remote: Endpoint, local: string | undefined): boolean {
    const message = StunMessage.read(bytes);
    if (message === undefined) return false;
    return message.type === StunType.BindingSuccess
      ? this.#receiveAnswer(message, remote, local)
      : this.#receiveProbe(message, remote, local);
  }

  /** Ends what is being told. */
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
    // A counter that began again would be a replay. It takes two years of the most that is sent to get there.
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
    // Before the integrity is proven this only spares its cost: nothing is remembered yet.
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

  /** A probe that is proven and new. */
  #accept(peer: Peer, message: StunMessage, view: View, remote: Endpoint, local: string | undefined): void {
    const { name, keys } = peer;
    const now = this.#now();
    if (!this.#answersOf.take(name, now) || !this.#answersTo.take(remote.address, now)) {
      this.drops.limited++;
      return;
    }
    const sealed = message.attribute(ProbeAttribute.Sealed);
    const told = sealed && open(keys, sealed);
    // The answer says that what was told is there.
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
