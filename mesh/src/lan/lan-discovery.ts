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

/** The pause before a message at a start or a change is repeated, in ms. A single datagram may be lost. */
const AGAIN_MS = 1000;
/** Changes within this time are announced together, in ms. */
const SOON_MS = 50;
/** How often peers without a path are called, in ms, plus or minus a fifth. wgautomesh: 60 s. */
const SELDOM_MS = 60_000;
/** The limit for rounds: 4 at once, and one in 5 s. A network that comes and goes must not flood the others. */
const ROUNDS = { perSecond: 1 / 5, burst: 4 } as const;
/** The number of peers that are called in a row, and the pause after them in ms. */
const SLICE = 32;
const PAUSE_MS = 10;
/** The limits for datagrams that are read: of one address, and of all addresses. */
const PER_SOURCE = { perSecond: 50, burst: 200 } as const;
const IN_ALL = { perSecond: 500, burst: 1000 } as const;
const MAX_SOURCES = 1024;
/** The limit for records of one peer that are opened. Each one costs 20 µs, and anybody can repeat one. */
const PER_PEER = { perSecond: 2, burst: 20 } as const;
/** The limit for answers to one peer. */
const ANSWERS = { perSecond: 1, burst: 5 } as const;

export interface LanMeans {
  /** Returns the current announce for a peer. */
  readonly announceFor: (name: string) => Uint8Array;
  /**
   * Handles an announce of a peer.
   * @param from - the source address, which anybody on the LAN may have forged
   * @returns whether the peer does not know the current announce of this host
   */
  readonly onAnnounce: (name: string, bytes: Uint8Array, from: string) => boolean;
  /** Whether any path leads to a peer. */
  readonly isReached: (name: string) => boolean;
  /** Whether a peer is told nothing until it is wanted. */
  readonly isAsleep: (name: string) => boolean;
  /** Returns Unix ms. */
  readonly getTime: () => number;
  /** For tests. */
  readonly port?: number;
}

/**
 * Tells the peers on the own LANs where this host is, and listens to them. The messages use broadcast and multicast,
 * and are sealed for each peer. No brokers and nothing outside the LAN is needed.
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
   * Handles the current interfaces of the host.
   * @param own - the own addresses that peers may reach
   */
  async look(links: readonly Link[], own: readonly string[]): Promise<void> {
    const before = JSON.stringify(this.#sockets.places);
    await this.#sockets.set(lanPlaces(links, own));
    if (JSON.stringify(this.#sockets.places) !== before) this.changed();
  }

  /** Tells all peers soon, and repeats that once. */
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
    // A link-local address is useless without its interface, and no peer is reached by one.
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
