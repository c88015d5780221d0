import { describe, expect, it } from "vitest";
import type { Candidate } from "../../src/candidates/candidate.js";
import { INTRODUCED } from "../../src/facts/constants.js";
import { Introductions } from "../../src/facts/introductions.js";

const places = (count: number): Candidate[] =>
  Array.from({ length: count }, (_, i) => ({
    ...{ kind: "host", ageS: 0 },
    endpoint: { address: "198.51.100.7", family: 4, port: 1 + i },
  }));

const { burst, perSecond } = INTRODUCED;
const [A, B] = [
  { by: "a", subject: "x" },
  { by: "b", subject: "x" },
] as const;

describe("introductions", () => {
  it("are tried at once, up to what a peer may have probed, and the rest as soon as it may, each once", () => {
    const introductions = new Introductions();
    const all = places(burst + 10);
    expect(introductions.begin(A, all, 0)).toEqual(all.slice(0, burst));
    expect(introductions.waiting()).toEqual([A]);
    expect(introductions.resume(A, all, 0)).toEqual([]);
    expect(introductions.resume(A, all, 1000)).toEqual(all.slice(burst, burst + perSecond));
    expect(introductions.resume(A, all, 60_000)).toEqual(all.slice(burst + perSecond));
    expect(introductions.waiting()).toEqual([]);
    expect(introductions.resume(A, all, 120_000)).toEqual([]);
  });

  it("of one peer wait for nobody else's", () => {
    const introductions = new Introductions();
    introductions.begin(A, places(2 * burst), 0);
    expect(introductions.begin(B, places(3), 0)).toHaveLength(3);
    expect(introductions.waiting()).toEqual([A]);
  });

  it("begin anew when the peer names others, and end when there are none", () => {
    const introductions = new Introductions();
    introductions.begin(A, places(burst + 1), 0);
    expect(introductions.begin(A, places(2), 1000)).toHaveLength(2);
    expect(introductions.waiting()).toEqual([]);
    introductions.begin(A, places(2 * burst), 1000);
    expect(introductions.resume(A, [], 60_000)).toEqual([]);
    expect(introductions.waiting()).toEqual([]);
  });

  it("are forgotten with who named them, and with who was named", () => {
    const introductions = new Introductions();
    for (const name of ["x", "y"]) introductions.begin({ by: "a", subject: name }, places(burst + 1), 0);
    introductions.begin(B, places(burst + 1), 0);
    introductions.forget("x");
    expect(introductions.waiting()).toEqual([{ by: "a", subject: "y" }]);
    introductions.forget("a");
    expect(introductions.waiting()).toEqual([]);
  });
});
