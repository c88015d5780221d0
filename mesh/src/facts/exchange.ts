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

/** What an exchange works with. Hosts are named by their public keys, base64. */
export interface ExchangeMeans {
  /** This host. */
  readonly own: () => string;
  /** Another number after each start. */
  readonly boot: () => bigint;
  /** Where this host may be reached, the best first. */
  readonly candidates: () => readonly Candidate[];
  /** What this host knows of the roster, 32 bytes; undefined when it is in no network. */
  readonly rosterHash: () => Uint8Array | undefined;
  /** How a peer stands with this host; undefined when it is no peer. */
  readonly standing: (peer: string) => Standing | undefined;
  /** Whether two members may be peers of each other. Default: all may. */
  readonly mayMeet?: (one: string, other: string) => boolean;
  /** Something of a peer was dropped, and why, in a few words: once for each start of the peer. */
  readonly onDropped: (peer: string, why: string) => void;
}

/** What came in from a peer. */
export interface Heard {
  /** Other hosts of which it said where they are, and was believed. */
  readonly subjects: readonly string[];
  /** It was not heard before, or has started anew, or asks now: there is something to tell it at once. */
  readonly isAwaiting: boolean;
}

/** What a peer was told of one other host. */
interface Told {
  readonly version: number;
  readonly facts: number;
  /** When it was told, and when it will have forgotten some of it. */
  readonly at: number;
  readonly until: number;
}

/** What one peer was told. */
interface Peer {
  boot: bigint | undefined;
  /** What it was told of this host. */
  ownVersion: number;
  ownUntil: number;
  wasAsked: boolean;
  others: Map<string, Told> | undefined;
  /** The state of things that was looked at last, and when to look again though nothing has changed. */
  lookedAt: number;
  dueAt: number;
  hasWarned: boolean;
}

const NEVER = Number.NEGATIVE_INFINITY;

/**
 * Tells peers facts, and takes in theirs. It does nothing by itself: datagrams and the time go in, datagrams come out.
 * Times are monotonic ms.
 *
 * Each peer is told that this host is there. Those that it trusts, and members of its network, are told where it is.
 * They may pass that on. Who asks for it, and is one of these, is told where others are, as far as they have said it
 * themselves: so what somebody makes up goes no further than to those whom he tells it. What is told again is only
 * what the peer would forget soon.
 */
export class Exchange {
  readonly store: FactStore = new FactStore();
  readonly #means: ExchangeMeans;
  readonly #peers = new Map<string, Peer>();
  readonly #received = new Budgets(MESSAGES_PER_MINUTE / 60, MESSAGES_PER_MINUTE, Number.POSITIVE_INFINITY);
  readonly #sent = new Budgets(SENT_PER_MINUTE / 60, SENT_PER_MINUTE, Number.POSITIVE_INFINITY);
  #asked: ReadonlySet<string> = new Set();
  /** Others when this host has something new to say: of itself, and of anybody. */
  #ownVersion = 1;
  #version = 1;

  constructor(means: ExchangeMeans) {
    this.#means = means;
  }

  /** What this host says of itself is something else than before. */
  changed(): void {
    this.#ownVersion++;
    this.#version++;
  }

  /** Whom this host asks for what they know of others, instead of those that it asked before. */
  ask(peers: ReadonlySet<string>): void {
    this.#asked = peers;
    this.#version++;
  }

  /** Nobody may know any more what it was told: this host has slept. */
  again(): void {
    for (const peer of this.#peers.values()) forgetTold(peer);
    this.changed();
  }

  /** A peer that is none any more: what it said goes with it. */
  forget(name: string): void {
    this.#peers.delete(name);
    this.store.forget(name);
  }

  /**
   * Takes in a datagram.
   * @param name - of the peer that it came from, which is proven
   * @returns undefined when it was dropped
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
   * What a peer is to be told now. It counts as told: call it when a tunnel leads there.
   * @returns datagrams; mostly none
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
    // What had no room is tried again with the next look.
    peer.lookedAt = isOwnTold && isAllTold ? this.#version : 0;
    const others = wantsAll && peer.others !== undefined ? [...peer.others.values()] : [];
    peer.dueAt = Math.min(peer.ownUntil, ...others.map(({ until }) => until)) - RENEW_MS;
    return writer.datagrams();
  }

  /** Where a host is, as one peer says. */
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
    // Nobody else knows better where this host is.
    if (fact.subject === own()) return false;
    return isBelieved(fact, name, level, standing(fact.subject) !== undefined);
  }

  /** A peer says that it is there: one that has started anew knows nothing of what it was told. */
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

  /** @returns whether all that is due had room */
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
      // Those that were not told for longest come first, and wait until the peer has forgotten others.
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

  /** Of whom a peer is to be told, those first that it was not told of, or not for longest. */
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

  /** Each host begins with the keys after its own: those who are asked at one time are not to tell all the same. */
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
