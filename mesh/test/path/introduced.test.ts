import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Candidate } from "../../src/candidates/candidate.js";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { DestinationBudget } from "../../src/path/budget.js";
import * as C from "../../src/path/constants.js";
import type { Fact } from "../../src/path/facts.js";
import { PathMachine } from "../../src/path/machine.js";
import { tiersOf } from "../../src/path/tiers.js";
import { most } from "./world/history.js";

const VIEW = { isProven: true, isChosen: false, asksForHandshake: false };

function candidate(text: string): Candidate {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new RangeError(text);
  return { kind: "reflexive", endpoint, ageS: 0 };
}

const said = (...texts: readonly string[]): Fact => ({
  ...{ type: "candidates", isNews: true, wantsAnswer: false },
  candidates: texts.map(candidate),
});
const introduced = (...texts: readonly string[]): Fact => ({
  type: "introduced",
  candidates: texts.map(candidate),
});

/** A machine, and what it has sent where and when. */
class Played {
  readonly sent: { readonly at: number; readonly path: string }[] = [];
  readonly machine: PathMachine;
  readonly #others: Set<string> = new Set();
  announces = 0;
  now = 0;
  nextAt = 0;

  constructor(destinations: DestinationBudget = new DestinationBudget()) {
    this.machine = new PathMachine({
      ...{ isDecider: true, tierOf: tiersOf([]), destinations, random: () => 0.5 },
    });
  }

  take(fact: Fact, now: number = this.now): void {
    this.now = now;
    const { decisions, nextAt } = this.machine.step(fact, now);
    this.nextAt = nextAt;
    for (const decision of decisions) {
      this.#others.add(decision.type);
      if (decision.type === "announce") this.announces++;
      if (decision.type === "probe")
        for (const { path } of decision.probes) this.sent.push({ at: now, path });
    }
  }

  passUntil(time: number): void {
    while (this.nextAt < time) this.take({ type: "time" }, this.nextAt);
    this.now = time;
  }

  probed(path: string): number {
    return this.sent.filter((one) => one.path === path).length;
  }

  did(what: string): boolean {
    return this.#others.has(what);
  }
}

describe("what others say of where a peer is", () => {
  it("is probed, and used once it is proven", () => {
    const played = new Played();
    played.take(introduced("198.51.100.7:1"));
    played.passUntil(2_000);
    expect(played.probed("198.51.100.7:1")).toBeGreaterThan(3);
    expect(played.did("use")).toBe(false);
    played.take({ type: "answered", path: "198.51.100.7:1", roundTripMs: 5, view: VIEW });
    expect(played.did("use")).toBe(true);
  });

  it("is nothing while a path works", () => {
    const played = new Played();
    played.take(said("192.0.2.1:1"));
    played.take({ type: "answered", path: "192.0.2.1:1", roundTripMs: 5, view: VIEW }, 10);
    played.take(introduced("198.51.100.7:1"), 20);
    played.passUntil(5_000);
    expect(played.probed("198.51.100.7:1")).toBe(0);
  });

  it("makes nobody announce more, nor begin anew", () => {
    const [one, other] = [new Played(), new Played()];
    for (const played of [one, other]) played.take(said("192.0.2.1:1"));
    for (let i = 1; i < 20; i++) {
      one.passUntil(i * 10_000);
      other.passUntil(i * 10_000);
      one.take(introduced(`198.51.100.7:${i}`));
    }
    expect(one.announces).toBe(other.announces);
  });

  it("is forgotten, unless the peer says it, too", () => {
    const played = new Played();
    played.take(introduced("198.51.100.7:1", "198.51.100.7:2"));
    played.take(said("198.51.100.7:2"), 1_000);
    played.passUntil(C.INTRODUCED_MS + 5_000);
    const { path, others } = played.machine.snapshot(played.now);
    expect(path).toBeUndefined();
    expect(others.map(({ name }) => name)).toEqual(["198.51.100.7:2"]);
  });

  it("takes no place of what the peer has said, and floods nobody, whatever it is", () => {
    const port = fc.integer({ min: 1, max: 400 });
    const lie = fc.oneof(
      fc
        .array(port, { minLength: 1, maxLength: 60 })
        .map((ports) => ports.map((one) => `198.51.100.9:${one}`)),
      fc
        .array(port, { minLength: 1, maxLength: 60 })
        .map((ports) => ports.map((one) => `203.0.113.${one % 250}:1`)),
    );
    fc.assert(
      fc.property(
        fc.array(lie, { minLength: 1, maxLength: 25 }),
        fc.integer({ min: 1, max: 32 }),
        (lies, count) => {
          const destinations = new DestinationBudget();
          // Two peers of this host are lied about at once.
          const both = [new Played(destinations), new Played(destinations)];
          const good = Array.from({ length: count }, (_, i) => `192.0.2.${i + 1}:7`);
          for (const played of both) played.take(said(...good));
          let now = 0;
          // They share what may be sent, so they share the time.
          const passUntil = (until: number): void => {
            while (now < until) {
              now = Math.min(until, now + 5);
              for (const played of both) played.passUntil(now);
            }
          };
          for (const [i, texts] of lies.entries()) {
            passUntil(i * 400);
            for (const played of both) {
              played.take(introduced(...texts));
              expect(played.machine.size).toBeLessThanOrEqual(C.REMOTE_CANDIDATES + C.SEEN_PATHS);
            }
          }
          passUntil(8_000);
          for (const played of both) {
            const known = played.machine.snapshot(played.now).others.map(({ name }) => name);
            expect(known).toEqual(expect.arrayContaining(good));
            expect(known.length - count).toBeLessThanOrEqual(C.INTRODUCED_PATHS);
            for (const name of good) expect(played.probed(name)).toBeGreaterThan(0);
          }
          const atVictim = both.flatMap(({ sent }) =>
            sent.filter(({ path }) => path.startsWith("198.51.100.9:")),
          );
          const times = atVictim.map(({ at }) => at).sort((a, b) => a - b);
          expect(most(times, 1_000)).toBeLessThanOrEqual(2 * C.DESTINATION_PER_SECOND + 1);
        },
      ),
      { numRuns: 10 },
    );
  });
});
