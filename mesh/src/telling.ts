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

/** How long an announce waits for the answers of STUN servers, in ms. A server that is down must not delay it. */
const STUN_MS = 200;

/** How long changes of the own addresses are collected before they are announced together, in ms. */
const CHANGE_MS = 500;

/** How often to check whose turn has come, in ms. */
const TURN_MS = 1_000;

/** The part of a peer that telling uses. */
export interface ToldPeer {
  readonly machine: Pick<PathMachine, "snapshot">;
  readonly channel: Pick<Channel, "send">;
  take: Peer["take"];
}

/** What telling needs. */
export interface TellingMeans {
  readonly addresses: Pick<OwnAddresses, "nat" | "candidates" | "refresh">;
  /** Candidates for a peer besides the own addresses. */
  readonly relayedFor: (publicKey: string) => readonly Candidate[];
  readonly announcer: Pick<Announcer, "changed" | "write">;
  readonly prober: Pick<Prober, "tell">;
  readonly peers: ReadonlyMap<string, ToldPeer>;
  /** Decides who may be told over the brokers, and remembers who waits. */
  readonly meeting: Pick<Meeting, "may" | "due" | "isAwaited">;
  /** Called when the content of the announces has changed. */
  readonly onChanged: () => void;
  /** Called when an announce leaves for a peer. */
  readonly onLeaving: (publicKey: string, by: "brokers" | "path") => void;
}

/** Tells the peers where this host may be reached: by the path in use if it works, otherwise over the brokers. */
export class Telling {
  readonly #means: TellingMeans;
  /** The peers to tell when the first addresses are known; undefined after that. */
  #awaitingFirst: Set<string> | undefined = new Set();
  #timer: NodeJS.Timeout | undefined;
  #turns: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(means: TellingMeans) {
    this.#means = means;
  }

  /**
   * Starts the announces. The first announce waits for the STUN servers' answers, but not long.
   * @param asked - resolves when the STUN servers have answered
   */
  start(asked: Promise<void>): void {
    this.#timer = setTimeout(() => this.#tellFirst(), STUN_MS);
    void asked.then(() => this.#tellFirst());
  }

  /** Must be called when the own addresses have changed. */
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
    // The path may have died because the own outside address has changed.
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

  /** Tells every host that listens with the peer's key. A path leads to one host only, which may be another one. */
  async tellOverBrokers(name: string): Promise<void> {
    const { peers, onLeaving } = this.#means;
    const peer = peers.get(name);
    if (peer === undefined || this.#isClosed) return;
    onLeaving(name, "brokers");
    await peer.channel.send(this.#write(name));
  }

  /** Must be called when the announce for one peer has changed. */
  changedFor(name: string): void {
    this.#means.announcer.changed();
    this.#means.peers.get(name)?.take({ type: "own-candidates" });
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    clearInterval(this.#turns);
  }

  /** Tells the waiting peers, each in its turn. */
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

/** Waits for a promise, but at most `ms` milliseconds. */
async function atMost(ms: number, something: Promise<void>): Promise<void> {
  const stopping = new AbortController();
  await Promise.race([something, delay(ms, undefined, { signal: stopping.signal }).catch(() => {})]);
  stopping.abort();
}
