import { setTimeout as delay } from "node:timers/promises";
import type { Link } from "../device/network.js";
import { parseAddress } from "../ip/address.js";
import type { Pair } from "../pair.js";
import { Budgets } from "../probe/budgets.js";
import { lanKeysOf } from "./lan-keys.js";
import { decodeDatagram, encodeDatagrams, epochAt, openRecord, sealRecord } from "./lan-message.js";
import { lanPlaces } from "./lan-places.js";
import { LanSockets } from "./lan-sockets.js";
import { LanTags } from "./lan-tags.js";

/** What is said at a start or a change is said again after this, ms: one datagram may be lost. */
const AGAIN_MS = 1000;
/** Several changes are one, ms. */
const SOON_MS = 50;
/** How often those are called that no path leads to, ms; a fifth more or less. wgautomesh: 60 s. */
const SELDOM_MS = 60_000;
/** Rounds: 4 at once, one in 5 s. A network that comes and goes is not to flood the others. */
const ROUNDS = { perSecond: 1 / 5, burst: 4 } as const;
/** Peers that are called in one go, and the pause after them, ms. */
const SLICE = 32;
const PAUSE_MS = 10;
/** Datagrams of one address that are looked at, and those of all. */
const PER_SOURCE = { perSecond: 50, burst: 200 } as const;
const IN_ALL = { perSecond: 500, burst: 1000 } as const;
const MAX_SOURCES = 1024;
/** Records of one peer that are opened: each costs 20 µs, and anybody can repeat one. */
const PER_PEER = { perSecond: 2, burst: 20 } as const;
/** Answers to one peer. */
const ANSWERS = { perSecond: 1, burst: 5 } as const;

export interface LanMeans {
  /** What is announced to a peer now. */
  readonly announceFor: (name: string) => Uint8Array;
  /**
   * Takes in what a peer has announced.
   * @param from - the address that it came from; anybody on the LAN could have sent it from there
   * @returns whether the peer does not know what we announce now
   */
  readonly onAnnounce: (name: string, bytes: Uint8Array, from: string) => boolean;
  /** Whether some path leads to a peer. */
  readonly isReached: (name: string) => boolean;
  /** Whether a peer is told nothing until it is wanted. */
  readonly isAsleep: (name: string) => boolean;
  /** Unix ms. */
  readonly getTime: () => number;
  /** For tests. */
  readonly port?: number;
}

/**
 * Tells the peers on the own LANs where we are, and hears them: by broadcast and multicast, sealed for each, without
 * brokers or anything else beyond the LAN.
 */
export class LanDiscovery {
  readonly #means: LanMeans;
  readonly #sockets: LanSockets;
  readonly #tags = new LanTags();
  readonly #rounds = new Budgets(ROUNDS.perSecond, ROUNDS.burst, 1);
  readonly #sources = new Budgets(PER_SOURCE.perSecond, PER_SOURCE.burst, MAX_SOURCES);
  readonly #all = new Budgets(IN_ALL.perSecond, IN_ALL.burst, 1);
  readonly #opened = new Budgets(PER_PEER.perSecond, PER_PEER.burst, Number.POSITIVE_INFINITY);
  readonly #answers = new Budgets(ANSWERS.perSecond, ANSWERS.burst, Number.POSITIVE_INFINITY);
  #timer: NodeJS.Timeout | undefined;
  #isAgain = false;
  readonly #ending = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(means: LanMeans) {
    this.#means = means;
    this.#sockets = new LanSockets((bytes, address, port) => this.#hear(bytes, address, port), means.port);
  }

  addPeer(name: string, pair: Pair, own: Uint8Array, remote: Uint8Array): void {
    this.#tags.add(name, lanKeysOf(pair, own, remote));
    this.changed();
  }

  removePeer(name: string): void {
    this.#tags.remove(name);
  }

  /**
   * Takes in what the host's interfaces are now.
   * @param own - the own addresses that peers may reach
   */
  async look(links: readonly Link[], own: readonly string[]): Promise<void> {
    const before = JSON.stringify(this.#sockets.places);
    await this.#sockets.set(lanPlaces(links, own));
    if (JSON.stringify(this.#sockets.places) !== before) this.changed();
  }

  /** All are told soon, and a second time. */
  changed(): void {
    this.#isAgain = true;
    this.#after(SOON_MS, true);
  }

  async close(): Promise<void> {
    this.#ending.abort();
    clearTimeout(this.#timer);
    await this.#running;
    await this.#sockets.close();
  }

  #after(ms: number, isForAll: boolean): void {
    if (this.#ending.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#running = this.#running.then(async () => await this.#round(isForAll));
    }, ms);
  }

  async #round(isForAll: boolean): Promise<void> {
    const { isReached, isAsleep } = this.#means;
    if (!this.#rounds.take("", performance.now())) {
      this.#after(1000 / ROUNDS.perSecond, isForAll);
      return;
    }
    const isAgain = isForAll && this.#isAgain;
    this.#isAgain = false;
    this.#after(isAgain ? AGAIN_MS : SELDOM_MS * (0.8 + 0.4 * Math.random()), isAgain);
    const awake = [...this.#tags.peers.keys()].filter((name) => !isAsleep(name));
    const names = awake.filter((name) => isForAll || !isReached(name));
    for (let i = 0; i < names.length; i += SLICE) {
      if (i > 0) await delay(PAUSE_MS, undefined, { signal: this.#ending.signal }).catch(() => {});
      if (this.#ending.signal.aborted) return;
      this.#shout(names.slice(i, i + SLICE));
    }
  }

  #shout(names: readonly string[]): void {
    const { places } = this.#sockets;
    if (places.length === 0) return;
    for (const datagram of this.#datagrams(names))
      for (const place of places) this.#sockets.shout(datagram, place);
  }

  #datagrams(names: readonly string[]): Uint8Array[] {
    const epoch = epochAt(this.#means.getTime());
    const records = names.flatMap((name) => {
      const keys = this.#tags.peers.get(name);
      return keys === undefined ? [] : [sealRecord(keys, epoch, this.#means.announceFor(name))];
    });
    return encodeDatagrams(epoch, records);
  }

  #hear(bytes: Uint8Array, address: string, port: number): void {
    const now = performance.now();
    // A link-local address says nothing without its interface, and no peer is reached by one.
    const from = address.split("%")[0] ?? "";
    if (parseAddress(from) === undefined || !this.#sources.take(from, now) || !this.#all.take("", now))
      return;
    const datagram = decodeDatagram(bytes);
    if (datagram === undefined) return;
    const current = epochAt(this.#means.getTime());
    for (const { tag, sealed } of datagram.records) {
      const name = this.#tags.find(tag, datagram.epoch, current, now);
      const keys = name === undefined ? undefined : this.#tags.peers.get(name);
      if (name === undefined || keys === undefined || !this.#opened.take(name, now)) continue;
      const announce = openRecord(keys, sealed);
      if (announce === undefined || !this.#means.onAnnounce(name, announce, from)) continue;
      if (this.#answers.take(name, now))
        for (const answer of this.#datagrams([name])) this.#sockets.answer(answer, from, port);
    }
  }
}
