import type { Candidate } from "../candidates/candidate.js";
import { Budgets } from "../probe/budgets.js";
import {
  FACT_TTL_S,
  FACTS_PER_SENDER,
  GAIN_MS,
  MESSAGES_PER_MINUTE,
  OWN_FACTS,
  RENEW_MS,
  SENT_PER_MINUTE,
} from "./constants.js";
import { type AliveFact, type Fact, FactWriter, readFacts } from "./fact.js";
import { aged, FactStore } from "./fact-store.js";
import { isBelieved, type Standing } from "./trust.js";

/** What an exchange needs. Hosts are named by their public keys in base64. */
export interface ExchangeMeans {
  /** The public key of this host. */
  readonly own: () => string;
  /** A number that changes with each start. */
  readonly boot: () => bigint;
  /** The places where this host may be reached, the best first. */
  readonly candidates: () => readonly Candidate[];
  /** The hash of this host's roster, 32 bytes; undefined when this host is in no network. */
  readonly rosterHash: () => Uint8Array | undefined;
  /** The standing of a peer; undefined for a host that is not a peer. */
  readonly standing: (peer: string) => Standing | undefined;
  /** Whether two members may be peers of each other. Default: all may. */
  readonly mayMeet?: (one: string, other: string) => boolean;
  /**
   * Called when something from a peer was dropped, with the reason in a few words. Called once for each start of the
   * peer.
   */
  readonly onDropped: (peer: string, why: string) => void;
}

/** The result of a datagram from a peer. */
export interface Heard {
  /** The other hosts whose places the peer has told and that were believed. */
  readonly subjects: readonly string[];
  /** Whether the peer should be told something at once: it is new, has started again, or has begun to ask. */
  readonly isAwaiting: boolean;
}

/** What a peer was told about one other host. */
interface Told {
  readonly version: number;
  readonly facts: number;
  /** When the peer was told, and when it will have forgotten a part of it. */
  readonly at: number;
  readonly until: number;
}

/** What one peer was told. */
interface Peer {
  boot: bigint | undefined;
  /** What the peer was told about this host. */
  ownVersion: number;
  ownUntil: number;
  wasAsked: boolean;
  others: Map<string, Told> | undefined;
  /** The version at the last look, and when to look again even without a change. */
  lookedAt: number;
  dueAt: number;
  hasWarned: boolean;
}

const NEVER = Number.NEGATIVE_INFINITY;

/**
 * Sends facts to peers and handles theirs. The class does nothing by itself: datagrams and times go in, datagrams come
 * out. All times are monotonic ms.
 *
 * Each peer is told that this host is there. Peers that this host trusts, and members of its network, are also told
 * where it is, and may pass that on. If such a peer asks, it is told where other hosts are, but only what these hosts
 * have said themselves. So a false fact does not spread beyond the peers to which the liar sends it. Facts are repeated
 * only when the peer would soon forget them.
 */
export class Exchange {
  readonly store: FactStore = new FactStore();
  readonly #means: ExchangeMeans;
  readonly #peers = new Map<string, Peer>();
  readonly #received = new Budgets(MESSAGES_PER_MINUTE / 60, MESSAGES_PER_MINUTE, Number.POSITIVE_INFINITY);
  readonly #sent = new Budgets(SENT_PER_MINUTE / 60, SENT_PER_MINUTE, Number.POSITIVE_INFINITY);
  #asked: ReadonlySet<string> = new Set();
  /** The version of what this host says about itself, and the version of everything it may say. */
  #ownVersion = 1;
  #version = 1;

  constructor(means: ExchangeMeans) {
    this.#means = means;
  }

  /** Must be called when the facts about this host have changed. */
  changed(): void {
    this.#ownVersion++;
    this.#version++;
  }

  /** Sets the peers that this host asks about others. */
  ask(peers: ReadonlySet<string>): void {
    this.#asked = peers;
    this.#version++;
  }

  /** Must be called when this host has slept: the peers may have forgotten everything. */
  again(): void {
    for (const peer of this.#peers.values()) forgetTold(peer);
    this.changed();
  }

  /** Must be called when a peer was removed. The peer's facts are removed, too. */
  forget(name: string): void {
    this.#peers.delete(name);
    this.store.forget(name);
  }

  /**
   * Handles a datagram.
   * @param name - the peer that sent it, which is proven
   * @returns undefined when the datagram was dropped
   */
  hear(name: string, bytes: Uint8Array, now: number): Heard | undefined {
    const standing = this.#means.standing(name);
    if (standing === undefined) return undefined;
    const peer = this.#peer(name);
    if (!this.#received.take(name, now)) {
      this.#dropped(name, peer, `it sends more than ${MESSAGES_PER_MINUTE} datagrams of facts a minute`);
      return undefined;
    }
    const facts = readFacts(bytes);
    if (facts === undefined) {
      this.#dropped(name, peer, "it sends what are no facts");
      return undefined;
    }
    const subjects = new Set<string>();
    let isAwaiting = false;
    for (const fact of facts) {
      if (!this.#isBelieved(name, fact, standing)) continue;
      if (fact.attribute === "alive") isAwaiting = this.#isAwaiting(name, peer, fact, now) || isAwaiting;
      const taken = this.store.take(name, fact, now);
      if (taken === "full") this.#dropped(name, peer, "it tells more facts than are kept");
      else if (fact.attribute === "candidate" && fact.subject !== name) subjects.add(fact.subject);
      if (taken === "new") this.#version++;
    }
    return { subjects: [...subjects], isAwaiting };
  }

  /**
   * The datagrams to send to a peer now, in most cases none. They count as sent, so call this only when a tunnel leads
   * to the peer.
   */
  tell(name: string, now: number): Uint8Array[] {
    const standing = this.#means.standing(name);
    if (standing === undefined) {
      this.forget(name);
      return [];
    }
    const peer = this.#peer(name);
    if (peer.lookedAt === this.#version && now < peer.dueAt) return [];
    const writer = new FactWriter(() => this.#sent.take(name, now));
    const isOwnTold = this.#tellOwn(name, peer, standing, writer, now);
    const wantsAll = this.store.alive(name, now)?.wantsAll === true;
    const isAllTold = !wantsAll || this.#tellOthers(name, peer, standing, writer, now);
    // Facts without room are tried again at the next look.
    peer.lookedAt = isOwnTold && isAllTold ? this.#version : 0;
    const others = wantsAll && peer.others !== undefined ? [...peer.others.values()] : [];
    peer.dueAt = Math.min(peer.ownUntil, ...others.map(({ until }) => until)) - RENEW_MS;
    return writer.datagrams();
  }

  /** The places of a host according to one peer. */
  candidates(by: string, subject: string, now: number): Candidate[] {
    return this.store.candidates(by, subject, now).flatMap((one) => aged(one, now) ?? []);
  }

  #peer(name: string): Peer {
    let peer = this.#peers.get(name);
    if (peer === undefined) {
      peer = {
        boot: undefined,
        ownVersion: 0,
        ownUntil: NEVER,
        wasAsked: false,
        others: undefined,
        lookedAt: 0,
        dueAt: NEVER,
        hasWarned: false,
      };
      this.#peers.set(name, peer);
    }
    return peer;
  }

  #isBelieved(name: string, fact: Fact, { level }: Standing): boolean {
    const { own, standing } = this.#means;
    // Nobody knows better than this host itself where it is.
    if (fact.subject === own()) return false;
    return isBelieved(fact, name, level, standing(fact.subject) !== undefined);
  }

  /** Handles a peer's fact that it is there. A peer that has started again does not know what it was told before. */
  #isAwaiting(name: string, peer: Peer, { boot, wantsAll }: AliveFact, now: number): boolean {
    const isNew = peer.boot !== boot;
    if (isNew) {
      peer.boot = boot;
      peer.hasWarned = false;
      forgetTold(peer);
    }
    const begins = wantsAll && this.store.alive(name, now)?.wantsAll !== true;
    if (begins) peer.lookedAt = 0;
    return isNew || begins;
  }

  #tellOwn(name: string, peer: Peer, standing: Standing, writer: FactWriter, now: number): boolean {
    const isAsked = this.#asked.has(name);
    const isSame = peer.ownVersion === this.#ownVersion && peer.wasAsked === isAsked;
    if (isSame && peer.ownUntil - now > RENEW_MS) return true;
    const about = { subject: this.#means.own(), ttlS: FACT_TTL_S };
    const facts: Fact[] = [{ ...about, attribute: "alive", boot: this.#means.boot(), wantsAll: isAsked }];
    const hash = standing.isMember ? this.#means.rosterHash() : undefined;
    if (hash !== undefined) facts.push({ ...about, attribute: "roster", hash });
    const candidates = standing.isTold ? this.#means.candidates() : [];
    for (const one of candidates.slice(0, OWN_FACTS - facts.length))
      facts.push({ ...about, attribute: "candidate", ...one });
    if (!facts.every((fact) => writer.add(fact))) return false;
    peer.ownVersion = this.#ownVersion;
    peer.wasAsked = isAsked;
    peer.ownUntil = now + FACT_TTL_S * 1000;
    return true;
  }

  /** @returns whether all facts that are due had room */
  #tellOthers(name: string, peer: Peer, standing: Standing, writer: FactWriter, now: number): boolean {
    peer.others ??= new Map();
    const { others } = peer;
    let room = FACTS_PER_SENDER - OWN_FACTS;
    for (const [subject, { facts, until }] of others) {
      if (this.#means.standing(subject) === undefined) others.delete(subject);
      else if (now < until) room -= facts;
    }
    for (const subject of this.#dueTo(name, standing, others, now)) {
      const before = others.get(subject);
      const held = now < (before?.until ?? NEVER) ? (before?.facts ?? 0) : 0;
      const facts = this.#factsOf(subject, now);
      if (facts.length === 0) continue;
      // The subjects that were not told for the longest time come first. They wait until the peer has forgotten others.
      if (facts.length > room + held) return false;
      if (!facts.every((fact) => writer.add(fact))) return false;
      room += held - facts.length;
      const until = now + Math.min(...facts.map(({ ttlS }) => ttlS)) * 1000;
      others.set(subject, {
        version: this.store.version(subject, subject),
        facts: facts.length,
        at: now,
        until,
      });
    }
    return true;
  }

  /**
   * The subjects that a peer must be told about. Subjects that the peer was never told about come first, then subjects
   * that the peer was last told about the longest time ago.
   */
  #dueTo(name: string, standing: Standing, others: ReadonlyMap<string, Told>, now: number): string[] {
    const due: { readonly subject: string; readonly at: number }[] = [];
    for (const subject of this.store.firstHand(now)) {
      if (subject === name || !this.#mayTell(subject, name, standing)) continue;
      const told = others.get(subject);
      if (this.#isDue(subject, told, now)) due.push({ subject, at: told?.at ?? NEVER });
    }
    return due
      .sort((a, b) => (a.at === b.at ? this.#compare(a.subject, b.subject) : a.at - b.at))
      .map(({ subject }) => subject);
  }

  /**
   * Each host begins with the keys after its own key. So hosts that are asked at the same time do not all tell the
   * same.
   */
  #compare(one: string, other: string): number {
    const own = this.#means.own();
    if (one < own !== other < own) return one < own ? 1 : -1;
    return one < other ? -1 : 1;
  }

  #isDue(subject: string, told: Told | undefined, now: number): boolean {
    const left = this.store.candidates(subject, subject, now).map(({ until }) => until);
    if (left.length === 0) return false;
    if (told === undefined || told.version !== this.store.version(subject, subject)) return true;
    return told.until - now <= RENEW_MS && Math.min(...left) >= told.until + GAIN_MS;
  }

  #mayTell(subject: string, name: string, { isTrusted, isMember }: Standing): boolean {
    const { standing, mayMeet } = this.#means;
    const of = standing(subject);
    if (of === undefined || isTrusted) return of !== undefined;
    return isMember && of.isMember && mayMeet?.(subject, name) !== false;
  }

  #factsOf(subject: string, now: number): Fact[] {
    return this.store.candidates(subject, subject, now).flatMap((held): Fact[] => {
      const candidate = aged(held, now);
      const ttlS = Math.trunc((held.until - now) / 1000);
      return candidate === undefined || ttlS < 1
        ? []
        : [{ subject, ttlS, attribute: "candidate", ...candidate }];
    });
  }

  #dropped(name: string, peer: Peer, why: string): void {
    if (peer.hasWarned) return;
    peer.hasWarned = true;
    this.#means.onDropped(name, why);
  }
}

function forgetTold(peer: Peer): void {
  peer.ownVersion = 0;
  peer.ownUntil = NEVER;
  peer.others = undefined;
  peer.lookedAt = 0;
  peer.dueAt = NEVER;
}
