import type { Candidate } from "../candidates/candidate.js";
import type { Endpoint } from "../ip/endpoint.js";
import { CANDIDATES_PER_SUBJECT, FACTS_PER_SENDER, MAX_AGE_S } from "./constants.js";
import type { AliveFact, CandidateFact, Fact, RosterFact } from "./fact.js";

/** A candidate, with the time when its origin knew it to be true, and the time when it is forgotten; monotonic ms. */
export interface HeldCandidate extends Omit<Candidate, "ageS"> {
  readonly knownAt: number;
  readonly until: number;
}

/** Something that a host has said about itself, apart from its places. */
interface Word<T> {
  readonly said: T;
  /** When the word is forgotten; monotonic ms. */
  readonly until: number;
}

/** The places of a subject according to one sender. */
interface Places {
  readonly candidates: HeldCandidate[];
  /** Changes when something new was said. */
  version: number;
}

/** Everything that one sender has said. */
interface Sender {
  alive: Word<Omit<AliveFact, "subject" | "ttlS">> | undefined;
  roster: Word<Uint8Array> | undefined;
  readonly places: Map<string, Places>;
  /** The number of stored facts of the sender. */
  count: number;
}

/** The result for a fact: it says something new; it was known; there was no room. */
export type Taken = "new" | "known" | "full";

/**
 * Stores who said what, until it expires. The facts of each sender are limited, so that no sender takes room from
 * another. Senders and subjects are public keys in base64. All times are monotonic ms.
 */
export class FactStore {
  readonly #senders = new Map<string, Sender>();
  #versions = 0;

  /** The number of stored facts of all senders. */
  get size(): number {
    let sum = 0;
    for (const { count } of this.#senders.values()) sum += count;
    return sum;
  }

  /** Stores a fact. */
  take(name: string, fact: Fact, now: number): Taken {
    const sender = this.#senders.get(name) ?? newSender();
    const taken =
      fact.attribute === "candidate" ? this.#takePlace(sender, name, fact, now) : takeWord(sender, fact, now);
    if (taken !== "full") this.#senders.set(name, sender);
    return taken;
  }

  /** The last fact of a host that it is there; undefined when that has expired. */
  alive(sender: string, now: number): Omit<AliveFact, "subject" | "ttlS"> | undefined {
    return heard(this.#senders.get(sender)?.alive, now);
  }

  /** The hash of a host's roster, as the host says. */
  roster(sender: string, now: number): Uint8Array | undefined {
    return heard(this.#senders.get(sender)?.roster, now);
  }

  /** The places of a host according to one sender. */
  candidates(sender: string, subject: string, now: number): readonly HeldCandidate[] {
    const { candidates = [] } = this.#senders.get(sender)?.places.get(subject) ?? {};
    return candidates.filter(({ until }) => now < until);
  }

  /** A number that changes when a sender has said something new about a subject; 0 when it said nothing. */
  version(sender: string, subject: string): number {
    return this.#senders.get(sender)?.places.get(subject)?.version ?? 0;
  }

  /** The hosts that are there and have said themselves where they are. */
  *firstHand(now: number): Iterable<string> {
    for (const [name, { places, alive }] of this.#senders)
      if (places.has(name) && heard(alive, now) !== undefined) yield name;
  }

  /** The senders that have said where a host is. */
  *sendersOf(subject: string): Iterable<string> {
    for (const [name, { places }] of this.#senders) if (places.has(subject)) yield name;
  }

  /** Forgets everything that a host has said. */
  forget(sender: string): void {
    this.#senders.delete(sender);
  }

  /** Forgets expired facts. */
  sweep(now: number): void {
    for (const [name, sender] of this.#senders) {
      sweep(sender, now);
      if (sender.count === 0) this.#senders.delete(name);
    }
  }

  #takePlace(sender: Sender, name: string, fact: CandidateFact, now: number): Taken {
    const { kind, endpoint, ageS, subject } = fact;
    const places = sender.places.get(subject) ?? { candidates: [], version: 0 };
    const { candidates } = places;
    const place = { kind, endpoint, knownAt: now - ageS * 1000, until: now + fact.ttlS * 1000 };
    const at = candidates.findIndex((one) => isSame(one.endpoint, endpoint));
    const old = candidates[at];
    if (old !== undefined) {
      // An older fact may come after a newer one.
      const knownAt = Math.max(old.knownAt, place.knownAt);
      candidates[at] = { ...place, knownAt, until: Math.max(old.until, place.until) };
      if (now < old.until) return "known";
    } else {
      const isFull = (): boolean =>
        sender.count >= FACTS_PER_SENDER || candidates.length >= CANDIDATES_PER_SUBJECT;
      if (isFull()) sweep(sender, now);
      if (isFull()) return "full";
      candidates.push(place);
      sender.count++;
      // The same string is used for both, to save memory with many senders.
      sender.places.set(subject === name ? name : subject, places);
    }
    places.version = ++this.#versions;
    return "new";
  }
}

/**
 * A candidate with its current age; undefined when it is too old to be passed on. An age never becomes smaller on the
 * way.
 */
export function aged({ kind, endpoint, knownAt }: HeldCandidate, now: number): Candidate | undefined {
  const ageS = Math.ceil(Math.max(0, now - knownAt) / 1000);
  return ageS > MAX_AGE_S ? undefined : { kind, endpoint, ageS };
}

function newSender(): Sender {
  return { alive: undefined, roster: undefined, places: new Map(), count: 0 };
}

function takeWord(sender: Sender, fact: AliveFact | RosterFact, now: number): Taken {
  const isNew = sender[fact.attribute] === undefined;
  if (isNew && sender.count >= FACTS_PER_SENDER) sweep(sender, now);
  if (isNew && sender.count >= FACTS_PER_SENDER) return "full";
  if (isNew) sender.count++;
  const until = now + fact.ttlS * 1000;
  if (fact.attribute === "roster") sender.roster = { said: fact.hash, until };
  else {
    const { attribute, boot, wantsAll } = fact;
    sender.alive = { said: { attribute, boot, wantsAll }, until };
  }
  return isNew ? "new" : "known";
}

function heard<T>(word: Word<T> | undefined, now: number): T | undefined {
  return word !== undefined && now < word.until ? word.said : undefined;
}

function sweep(sender: Sender, now: number): void {
  if (heard(sender.alive, now) === undefined) sender.alive = undefined;
  if (heard(sender.roster, now) === undefined) sender.roster = undefined;
  let count = (sender.alive === undefined ? 0 : 1) + (sender.roster === undefined ? 0 : 1);
  for (const [subject, { candidates }] of sender.places) {
    const left = candidates.filter(({ until }) => now < until);
    candidates.splice(0, candidates.length, ...left);
    count += left.length;
    if (left.length === 0) sender.places.delete(subject);
  }
  sender.count = count;
}

function isSame(one: Endpoint, other: Endpoint): boolean {
  return one.port === other.port && one.address === other.address;
}
