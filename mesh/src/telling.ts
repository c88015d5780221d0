import { setTimeout as delay } from "node:timers/promises";
import type { Candidate } from "./candidates/candidate.js";
import { MAX_ANNOUNCED } from "./candidates/gather.js";
import type { OwnAddresses } from "./candidates/own-addresses.js";
import { parseEndpoint } from "./ip/endpoint.js";
import type { Meeting } from "./meeting.js";
import type { PathMachine } from "./path/machine.js";
import type { Peer } from "./peer.js";
import type { Prober } from "./probe/prober.js";
import type { Announcer } from "./signal/announcer.js";
import type { Channel } from "./signal/channel.js";

/** How long an announce waits for what STUN servers see, ms: one that is down must not delay it. */
const STUN_MS = 200;

/** Changes of the own addresses come in groups, and are told together after this, ms. */
const CHANGE_MS = 500;

/** How often is looked whose turn it is to be met, ms. */
const TURN_MS = 1_000;

/** What is used of a peer. */
export interface ToldPeer {
  readonly machine: Pick<PathMachine, "snapshot">;
  readonly channel: Pick<Channel, "send">;
  take: Peer["take"];
}

/** What telling works with. */
export interface TellingMeans {
  readonly addresses: Pick<OwnAddresses, "nat" | "candidates" | "refresh">;
  /** What a peer is told of besides the own addresses. */
  readonly relayedFor: (publicKey: string) => readonly Candidate[];
  readonly announcer: Pick<Announcer, "changed" | "write">;
  readonly prober: Pick<Prober, "tell">;
  readonly peers: ReadonlyMap<string, ToldPeer>;
  /** Who may be told over the brokers, and who waits for that. */
  readonly meeting: Pick<Meeting, "may" | "due" | "isAwaited">;
  /** What is announced is something else than before. */
  readonly onChanged: () => void;
  /** An announce leaves for a peer. */
  readonly onLeaving: (publicKey: string, by: "brokers" | "path") => void;
}

/** Tells the peers where we may be reached: by the path in use, as long as it works, else over the brokers. */
export class Telling {
  readonly #means: TellingMeans;
  /** Whom to tell as soon as there is something to tell; undefined from then on. */
  #awaitingFirst: Set<string> | undefined = new Set();
  #timer: NodeJS.Timeout | undefined;
  #turns: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(means: TellingMeans) {
    this.#means = means;
  }

  /** What was asked of STUN servers is known when this resolves; the first announce does not wait for long. */
  start(asked: Promise<void>): void {
    this.#timer = setTimeout(() => this.#tellFirst(), STUN_MS);
    void asked.then(() => this.#tellFirst());
  }

  /** The own addresses are others. */
  changed(): void {
    this.#means.announcer.changed();
    if (this.#awaitingFirst !== undefined || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#means.onChanged();
      for (const peer of this.#means.peers.values()) peer.take({ type: "own-candidates" });
    }, CHANGE_MS);
  }

  async tell(name: string): Promise<void> {
    if (this.#awaitingFirst !== undefined) {
      this.#awaitingFirst.add(name);
      return;
    }
    const { addresses, prober, peers, meeting, onLeaving } = this.#means;
    const peer = peers.get(name);
    const { path } = peer?.machine.snapshot(performance.now()) ?? {};
    const endpoint = path?.isProven ? parseEndpoint(path.name) : undefined;
    if (endpoint === undefined && !meeting.may(name, performance.now())) {
      this.#awaitTurns();
      return;
    }
    // A path may have died because our outside address is another.
    if (endpoint === undefined) await atMost(STUN_MS, addresses.refresh());
    if (peer === undefined || this.#isClosed) return;
    const bytes = this.#write(name);
    if (endpoint !== undefined) {
      onLeaving(name, "path");
      if (await prober.tell(name, endpoint, bytes)) return;
    }
    onLeaving(name, "brokers");
    await peer.channel.send(bytes);
  }

  /** Tells whoever listens with the peer's key. A path leads to one host alone, and that one need not be meant. */
  async tellOverBrokers(name: string): Promise<void> {
    const { peers, onLeaving } = this.#means;
    const peer = peers.get(name);
    if (peer === undefined || this.#isClosed) return;
    onLeaving(name, "brokers");
    await peer.channel.send(this.#write(name));
  }

  /** One peer alone is to be told something else. */
  changedFor(name: string): void {
    this.#means.announcer.changed();
    this.#means.peers.get(name)?.take({ type: "own-candidates" });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#turns);
  }

  /** Tells those who wait for their turn, each when it comes. */
  #awaitTurns(): void {
    if (this.#isClosed) return;
    this.#turns ??= setInterval(() => {
      const { meeting } = this.#means;
      for (const name of meeting.due(performance.now())) void this.tell(name);
      if (meeting.isAwaited) return;
      clearInterval(this.#turns);
      this.#turns = undefined;
    }, TURN_MS);
  }

  #write(name: string): Uint8Array {
    const { addresses, announcer, relayedFor } = this.#means;
    const relayed = relayedFor(name);
    const own = addresses.candidates().slice(0, MAX_ANNOUNCED - relayed.length);
    return announcer.write(name, addresses.nat, [...own, ...relayed]);
  }

  #tellFirst(): void {
    const waiting = this.#awaitingFirst;
    if (waiting === undefined || this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#awaitingFirst = undefined;
    this.#means.onChanged();
    for (const name of waiting) void this.tell(name);
  }
}

/** Waits for something, but not for longer than some time, ms. */
async function atMost(ms: number, something: Promise<void>): Promise<void> {
  const stopping = new AbortController();
  await Promise.race([something, delay(ms, undefined, { signal: stopping.signal }).catch(() => {})]);
  stopping.abort();
}
