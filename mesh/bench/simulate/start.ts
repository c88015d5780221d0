import type { Random } from "../../../bench/simulate/random.js";
import { Asking } from "../../src/facts/asking.js";
import { LOOK_MS } from "../../src/facts/constants.js";
import { Introductions } from "../../src/facts/introductions.js";
import { MEET_WITHIN_MS, Meeting } from "../../src/meeting.js";
import { type FactHost, FactMesh } from "./fact-mesh.js";

/** From the first word of the other side to a tunnel: a round trip over the brokers or of a probe, and a handshake, ms. */
const TUNNEL_MS = 1_000;
const STEP_MS = 1_000;
/** Those that are asked are told anew by all others where they are so often, ms: before they forget it. */
const RENEWED_MS = 60_000;

/** What came of a start. */
export interface Started {
  readonly members: number;
  /** The share of the members that let in whoever comes. */
  readonly open: number;
  /** Until each member had a tunnel, ms. */
  readonly timesMs: readonly number[];
  /** Announces over the brokers, and places that were tried as peers had named them. */
  readonly overBrokers: number;
  readonly tried: number;
}

/**
 * One member starts anew and knows only who the others are, which have tunnels to each other: by the real code of whom a
 * start meets over the brokers, of facts, of whom it asks for them, and of what it tries then.
 */
export class Start {
  readonly #mesh: FactMesh;
  readonly #own: FactHost;
  readonly #others: ReadonlyMap<string, FactHost>;
  readonly #isOpen: ReadonlySet<string>;
  readonly #meeting: Meeting;
  readonly #asking = new Asking();
  readonly #introductions = new Introductions();
  /** When there will be a tunnel to each. */
  readonly #tunnelAt = new Map<string, number>();
  readonly #reached = new Set<string>();
  /** Members that have been told by all others where they are. */
  readonly #informed = new Set<FactHost>();
  #now = 0;
  #overBrokers = 0;
  #tried = 0;

  constructor(members: number, open: number, random: Random) {
    this.#mesh = new FactMesh(members, 1, random);
    const [own, ...others] = this.#mesh.hosts;
    if (own === undefined) throw new RangeError("there is no member");
    this.#own = own;
    this.#others = new Map(others.map((host) => [host.name, host]));
    this.#isOpen = new Set([...this.#others.keys()].filter(() => random.below(100) < 100 * open));
    this.#meeting = new Meeting(() => random.next());
  }

  /** Until there are tunnels to all, or nothing more is to be expected. */
  run(): Omit<Started, "members" | "open"> {
    const names = [...this.#others.keys()];
    this.#meeting.set(names, () => false, 0);
    for (const name of names) if (this.#meeting.may(name, 0)) this.#call(name);
    for (; this.#now <= MEET_WITHIN_MS + 10_000 && this.#reached.size < names.length; this.#now += STEP_MS)
      this.#step();
    const timesMs = names.flatMap((name) => (this.#reached.has(name) ? [this.#tunnelAt.get(name) ?? 0] : []));
    return { timesMs, overBrokers: this.#overBrokers, tried: this.#tried };
  }

  #step(): void {
    const now = this.#now;
    for (const name of this.#meeting.due(now)) if (!this.#tunnelAt.has(name)) this.#call(name);
    for (const [name, at] of this.#tunnelAt) if (at <= now && !this.#reached.has(name)) this.#reach(name);
    if (now % LOOK_MS !== 0) return;
    const sought = [...this.#others.keys()].filter((name) => !this.#reached.has(name));
    this.#own.exchange.ask(this.#asking.choose([...this.#reached], () => false, sought, now));
    for (const { by, subject } of this.#introductions.waiting()) this.#introduce("resume", by, subject);
    if (now % RENEWED_MS === 0) for (const host of this.#informed) this.#inform(host);
    for (const name of this.#reached) {
      const host = this.#others.get(name);
      if (host === undefined) continue;
      this.#tell(this.#own, host);
      this.#tell(host, this.#own);
    }
  }

  #call(name: string): void {
    this.#overBrokers++;
    this.#tunnelAt.set(name, this.#now + TUNNEL_MS);
  }

  #reach(name: string): void {
    this.#reached.add(name);
    this.#meeting.heard(name);
    const host = this.#others.get(name);
    if (host !== undefined) this.#tell(this.#own, host);
  }

  #tell(from: FactHost, to: FactHost): void {
    for (const bytes of from.exchange.tell(to.name, this.#now)) {
      const heard = to.exchange.hear(from.name, bytes, this.#now);
      if (heard === undefined) continue;
      if (to !== this.#own && to.exchange.store.alive(from.name, this.#now)?.wantsAll) this.#inform(to);
      if (heard.isAwaiting) this.#tell(to, from);
      if (to === this.#own)
        for (const subject of heard.subjects) this.#introduce("begin", from.name, subject);
    }
  }

  /** A member knows of all others where they are, since they have told it so. */
  #inform(host: FactHost): void {
    this.#informed.add(host);
    for (const other of this.#others.values()) {
      if (other === host) continue;
      for (const bytes of other.exchange.tell(host.name, this.#now))
        host.exchange.hear(other.name, bytes, this.#now);
    }
  }

  /** As gossip does it. The last place of each member is the one that works, where it lets others in. */
  #introduce(step: "begin" | "resume", by: string, subject: string): void {
    if (this.#reached.has(subject)) {
      this.#introductions.drop({ by, subject });
      return;
    }
    const named = this.#own.exchange.candidates(by, subject, this.#now);
    const tried = this.#introductions[step]({ by, subject }, named, this.#now);
    this.#tried += tried.length;
    const last = this.#others.get(subject)?.candidates.at(-1)?.endpoint.port;
    const works = this.#isOpen.has(subject) && tried.some(({ endpoint }) => endpoint.port === last);
    if (works && !this.#tunnelAt.has(subject)) this.#tunnelAt.set(subject, this.#now + TUNNEL_MS);
  }
}
