import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candidate } from "../../src/candidates/candidate.js";
import {
  CHUNK_BYTES,
  FACT_TTL_S,
  FACTS_PER_SENDER,
  LOOK_MS,
  MESSAGES_PER_MINUTE,
  RENEW_MS,
  SENT_PER_MINUTE,
} from "../../src/facts/constants.js";
import { Exchange } from "../../src/facts/exchange.js";
import { type Fact, FactWriter, readFacts } from "../../src/facts/fact.js";
import { type KnownPeer, standingOf } from "../../src/facts/trust.js";
import { formatKey } from "../../src/wireguard-key.js";
import { most } from "../path/world/history.js";

const TTL_MS = FACT_TTL_S * 1000;

const keyOf = (name: string): string =>
  formatKey(Uint8Array.from({ length: 32 }, (_, i) => name.charCodeAt(i) || 0));

interface Host {
  readonly exchange: Exchange;
  candidates: Candidate[];
  boot: bigint;
}

interface Sent {
  readonly from: string;
  readonly to: string;
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Hosts whose datagrams arrive at once, or are lost. */
class World {
  now = 0;
  readonly sent: Sent[] = [];
  readonly dropped: string[] = [];
  readonly hosts = new Map<string, Host>();
  readonly #names = new Map<string, string>();
  readonly #links = new Set<string>();
  isLost: (sent: Sent) => boolean = () => false;
  mayMeet: (one: string, other: string) => boolean = () => true;

  /** @param known - how each other one stands with it; default: members of one network */
  add(name: string, known: (peer: string) => Partial<KnownPeer> | undefined = () => ({})): Exchange {
    const own = keyOf(name);
    this.#names.set(own, name);
    const host: Host = {
      candidates: [candidateOf(this.hosts.size + 1)],
      boot: 1n,
      exchange: new Exchange({
        own: () => own,
        boot: () => host.boot,
        candidates: () => host.candidates,
        rosterHash: () => undefined,
        mayMeet: (...two) => this.mayMeet(...two),
        standing: (peer) => {
          const there = this.#names.get(peer);
          const said = there === undefined || !this.hosts.has(there) ? undefined : known(there);
          return said && standingOf({ allowedIps: [], isMember: true, ...said });
        },
        onDropped: (peer, why) => this.dropped.push(`${name}: ${peer} ${why}`),
      }),
    };
    this.hosts.set(name, host);
    return host.exchange;
  }

  link(one: string, other: string): void {
    this.#links.add(`${one} ${other}`).add(`${other} ${one}`);
  }

  /** Each tells its peers what is due, as often as a daemon looks. */
  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += Math.min(LOOK_MS, end - this.now))
      for (const link of this.#links) this.#tell(...(link.split(" ") as [string, string]));
  }

  #tell(from: string, to: string): void {
    const datagrams = this.exchange(from).tell(keyOf(to), this.now);
    for (const bytes of datagrams) {
      const sent = { from, to, at: this.now, bytes };
      this.sent.push(sent);
      if (this.isLost(sent)) continue;
      if (this.exchange(to).hear(keyOf(from), bytes, this.now)?.isAwaiting === true) this.#tell(to, from);
    }
  }

  exchange(name: string): Exchange {
    const host = this.hosts.get(name);
    if (host === undefined) throw new RangeError(name);
    return host.exchange;
  }

  ask(name: string, ...whom: readonly string[]): void {
    this.exchange(name).ask(new Set(whom.map(keyOf)));
  }

  /** Where a host is, as another one was told by a third. */
  known(at: string, by: string, of: string): number[] {
    const told = this.exchange(at).candidates(keyOf(by), keyOf(of), this.now);
    return told.map(({ endpoint }) => endpoint.port);
  }

  between(from: string, to: string): Sent[] {
    return this.sent.filter((one) => one.from === from && one.to === to);
  }
}

function candidateOf(port: number, ageS = 0): Candidate {
  return { kind: "reflexive", endpoint: { address: "198.51.100.7", family: 4, port }, ageS };
}

/** A and C have a tunnel to B, and none to each other. */
function aroundB(): World {
  const world = new World();
  for (const name of ["A", "B", "C"]) world.add(name);
  world.link("A", "B");
  world.link("C", "B");
  return world;
}

describe("what peers tell each other", () => {
  it("is where others are, to who asks", () => {
    const world = aroundB();
    world.ask("A", "B");
    world.pass(10_000);
    expect(world.known("A", "B", "C")).toEqual([3]);
    expect(world.known("C", "B", "A"), "it did not ask").toEqual([]);
    world.ask("C", "B");
    world.pass(10_000);
    expect(world.known("C", "B", "A")).toEqual([1]);
  });

  it("is said again before it is forgotten, and not sooner", () => {
    const world = aroundB();
    world.ask("A", "B");
    world.pass(20_000);
    const before = world.sent.length;
    world.pass(RENEW_MS - 30_000);
    expect(world.sent.length).toBe(before);
    for (let i = 0; i < 200; i++) {
      world.pass(LOOK_MS);
      expect(world.known("A", "B", "C")).toEqual([3]);
      expect(world.exchange("A").store.alive(keyOf("B"), world.now)).toBeDefined();
    }
    // B says two things to A, what it is itself and where C is: each once in half of the time that it is good for.
    const rounds = Math.ceil(world.now / (TTL_MS - RENEW_MS)) + 1;
    expect(world.between("B", "A").length).toBeLessThanOrEqual(2 * rounds + 2);
    expect(world.between("C", "B").length).toBeLessThanOrEqual(rounds + 2);
  });

  it("is told at once when it is something else", () => {
    const world = aroundB();
    world.ask("A", "B");
    world.pass(20_000);
    const c = world.hosts.get("C");
    if (c !== undefined) c.candidates = [candidateOf(33)];
    world.exchange("C").changed();
    world.pass(LOOK_MS * 2);
    expect(world.known("A", "B", "C")).toContain(33);
  });

  it("is all told again to a host that has started anew", () => {
    const world = aroundB();
    world.ask("A", "B");
    world.pass(20_000);
    world.add("A");
    const a = world.hosts.get("A");
    if (a !== undefined) a.boot = 2n;
    world.ask("A", "B");
    world.pass(LOOK_MS);
    expect(world.known("A", "B", "C")).toEqual([3]);
  });

  it("is all told again by a host that has slept", () => {
    const world = aroundB();
    world.ask("A", "B");
    world.pass(20_000);
    const before = world.between("B", "A").length;
    world.exchange("B").again();
    world.pass(LOOK_MS);
    expect(world.between("B", "A").length).toBeGreaterThan(before);
  });

  it("is passed on with the age and the end that it had at its origin, and by nobody a second time", () => {
    const world = aroundB();
    world.add("D");
    world.link("A", "D");
    const c = world.hosts.get("C");
    if (c !== undefined) c.candidates = [candidateOf(3, 100)];
    world.ask("A", "B");
    world.ask("D", "A");
    world.pass(60_000);
    const [told] = world.exchange("A").candidates(keyOf("B"), keyOf("C"), world.now);
    expect(told?.ageS).toBeGreaterThanOrEqual(160);
    expect(world.known("D", "A", "B")).toEqual([2]);
    expect(world.known("D", "A", "C"), "A has it from B alone").toEqual([]);
  });

  it("ends with the host that said it of itself", () => {
    const world = aroundB();
    world.ask("A", "B");
    world.pass(20_000);
    world.isLost = ({ from }) => from === "C";
    world.pass(TTL_MS + LOOK_MS);
    expect(world.known("A", "B", "C")).toEqual([]);
    expect([...world.exchange("B").store.firstHand(world.now)]).toEqual([keyOf("A")]);
  });

  it("comes through losses, as what is forgotten is told again", () => {
    fc.assert(
      fc.property(fc.infiniteStream(fc.integer({ min: 0, max: 9 })), (random) => {
        const world = aroundB();
        world.ask("A", "B");
        world.isLost = () => (random.next().value ?? 9) < 3;
        world.pass(600_000);
        world.isLost = () => false;
        world.pass(TTL_MS);
        expect(world.known("A", "B", "C")).toEqual([3]);
      }),
      { numRuns: 10, seed: 1 },
    );
  });
});

describe("who is told what", () => {
  const stranger = { isMember: false };

  it("is that a host is there, and no more, where there is no network and no trust", () => {
    const world = new World();
    world.add("A", () => stranger);
    world.add("B", () => stranger);
    world.link("A", "B");
    world.ask("A", "B");
    world.pass(20_000);
    const said = world.sent.flatMap(({ bytes }) => readFacts(bytes) ?? []);
    expect(new Set(said.map(({ attribute }) => attribute))).toEqual(new Set(["alive"]));
  });

  it("is all to a peer that is trusted here; what it makes of it is its own matter", () => {
    const world = new World();
    world.add("A", () => stranger);
    world.add("B", () => ({ ...stranger, trust: "Endpoint" }));
    world.add("C", (peer) => (peer === "B" ? { ...stranger, trust: "Endpoint" } : stranger));
    world.link("A", "B");
    world.link("C", "B");
    world.ask("A", "B");
    world.ask("C", "B");
    world.pass(20_000);
    expect(world.known("A", "B", "C")).toEqual([3]);
    expect(world.known("C", "B", "A"), "A does not trust B with where it is").toEqual([]);
  });

  it("is of other members to members alone", () => {
    const world = new World();
    world.add("A", () => ({}));
    world.add("B", (peer) => (peer === "C" ? stranger : {}));
    world.add("C", () => ({}));
    world.link("A", "B");
    world.link("C", "B");
    world.ask("A", "B");
    world.ask("C", "B");
    world.pass(20_000);
    expect(world.known("A", "B", "C")).toEqual([]);
    expect(world.known("C", "B", "A")).toEqual([]);
  });

  it("is of those alone whom a member may meet by the rules", () => {
    const world = aroundB();
    world.mayMeet = () => false;
    world.ask("A", "B");
    world.pass(20_000);
    expect(world.known("A", "B", "C")).toEqual([]);
  });

  it("is nothing more of who is no peer any more", () => {
    const world = aroundB();
    world.ask("A", "B");
    world.pass(10_000);
    world.exchange("B").forget(keyOf("C"));
    world.hosts.delete("C");
    expect(world.exchange("B").tell(keyOf("C"), world.now)).toEqual([]);
    expect([...world.exchange("B").store.firstHand(world.now)]).toEqual([keyOf("A")]);
  });
});

describe("a peer that says too much", () => {
  function datagrams(facts: readonly Fact[]): Uint8Array[] {
    const writer = new FactWriter(() => true);
    for (const fact of facts) writer.add(fact);
    return writer.datagrams();
  }

  it("is heard 20 times a minute, and told of once", () => {
    const world = aroundB();
    const [bytes = new Uint8Array()] = datagrams([
      { attribute: "alive", subject: keyOf("A"), ttlS: 255, boot: 1n, wantsAll: false },
    ]);
    const heard = Array.from({ length: 100 }, () => world.exchange("B").hear(keyOf("A"), bytes, 0));
    expect(heard.filter((one) => one !== undefined).length).toBe(MESSAGES_PER_MINUTE);
    expect(world.dropped.length).toBe(1);
  });

  it("fills its own room alone, whatever it says, and is told no faster for it", () => {
    const port = fc.integer({ min: 1, max: 500 });
    const fact: fc.Arbitrary<Fact> = fc.oneof(
      fc.record({
        attribute: fc.constant("candidate" as const),
        subject: fc.constantFrom(..."ABCXYZ").map(keyOf),
        ttlS: fc.constantFrom(1, 255, 0xffff),
        kind: fc.constant("host" as const),
        endpoint: port.map((one) => candidateOf(one).endpoint),
        ageS: fc.nat(0xffff),
      }),
      fc.record({
        attribute: fc.constant("alive" as const),
        subject: fc.constantFrom(..."AB").map(keyOf),
        ttlS: fc.constantFrom(1, 255),
        boot: fc.bigInt({ min: 0n, max: 5n }),
        wantsAll: fc.boolean(),
      }),
    );
    const said = fc.tuple(
      fc.nat(4_000),
      fc.oneof(fc.array(fact, { maxLength: 20 }), fc.uint8Array({ maxLength: 99 })),
    );
    fc.assert(
      fc.property(fc.array(said, { maxLength: 150 }), (all) => {
        const world = aroundB();
        world.ask("C", "B");
        world.pass(10_000);
        const b = world.exchange("B");
        const told: number[] = [];
        for (const [afterMs, what] of all) {
          world.now += afterMs;
          for (const bytes of what instanceof Uint8Array ? [what] : datagrams(what))
            b.hear(keyOf("A"), bytes, world.now);
          for (const bytes of b.tell(keyOf("A"), world.now)) {
            expect(bytes.length).toBeLessThanOrEqual(CHUNK_BYTES);
            told.push(world.now);
          }
        }
        expect(most(told, 60_000)).toBeLessThanOrEqual(2 * SENT_PER_MINUTE);
        b.store.sweep(world.now);
        expect(b.store.size).toBeLessThanOrEqual(FACTS_PER_SENDER + 3);
        expect(world.dropped.length).toBeLessThanOrEqual(1 + all.length);
        expect(world.known("B", "A", "B"), "nobody else knows where B is").toEqual([]);
      }),
      { numRuns: 60 },
    );
  });
});

describe("a host that knows more than a peer takes", () => {
  it("tells of everybody in turn, as the peer forgets", () => {
    const world = new World();
    world.add("B");
    world.add("A");
    world.link("A", "B");
    const names = Array.from({ length: 90 }, (_, i) => `m${i}`);
    for (const [i, name] of names.entries()) {
      const host = world.add(name) && world.hosts.get(name);
      if (host !== undefined) host.candidates = [1, 2, 3].map((port) => candidateOf(10 * i + port));
      world.link(name, "B");
    }
    world.ask("A", "B");
    const learned = new Set<string>();
    for (let i = 0; i < 130; i++) {
      world.pass(LOOK_MS);
      for (const name of names) if (world.known("A", "B", name).length === 3) learned.add(name);
      expect(world.exchange("A").store.size).toBeLessThanOrEqual(FACTS_PER_SENDER + 1);
    }
    expect(learned.size).toBe(names.length);
    expect(world.dropped).toEqual([]);
  });

  it("begins with others than another one does, so that who asks both hears of more", () => {
    const world = new World();
    const names = Array.from({ length: 90 }, (_, i) => `m${i + 10}`);
    world.add("A");
    for (const [i, name] of names.entries()) {
      const host = world.add(name) && world.hosts.get(name);
      if (host !== undefined) host.candidates = [1, 2, 3].map((port) => candidateOf(10 * i + port));
    }
    const asked = ["m20", "m70"];
    for (const one of asked) for (const name of ["A", ...names]) if (name !== one) world.link(one, name);
    world.ask("A", ...asked);
    world.pass(2 * LOOK_MS);
    const heard = asked.map((by) => names.filter((name) => world.known("A", by, name).length > 0));
    expect(heard.map((told) => told.length < 80)).toEqual([true, true]);
    expect(new Set(heard.flat()).size).toBe(names.length);
  });
});
