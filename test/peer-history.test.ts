import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { PeerHistory } from "../src/sending/peer-history.js";
import type { Broker } from "../src/wire/broker-pool.js";

function brokerAt(host: string, family: "IPv4" | "IPv6" = "IPv4"): Broker {
  return { family, host, port: 1883, weight: 1 };
}

const [a, b, c, d] = [brokerAt("a"), brokerAt("b"), brokerAt("c"), brokerAt("d")];

describe("the brokers of a peer", () => {
  it("are none at first", () => {
    expect(new PeerHistory().brokersOf("x")).toEqual([]);
  });

  it("are those where it answered, the latest first, three at most, each once", () => {
    const book = new PeerHistory();
    for (const broker of [a, b, c, a, d]) book.found("x", broker);
    expect(book.brokersOf("x")).toEqual([d, a, c]);
    expect(book.brokersOf("y")).toEqual([]);
  });

  it("change when it answers on another than last time", () => {
    const book = new PeerHistory();
    expect([book.found("x", a), book.found("x", a), book.found("x", b), book.found("x", a)]).toEqual([
      true,
      false,
      true,
      true,
    ]);
  });

  it("are told apart by family, host and port, not by the object that describes them", () => {
    const book = new PeerHistory();
    book.found("x", brokerAt("b"));
    book.found("x", brokerAt("a"));
    // The same broker out of another ranking, with its score there.
    const again = { ...brokerAt("a"), score: 0.5 };
    expect(book.found("x", again)).toBe(false);
    book.found("x", brokerAt("b"));
    book.found("x", brokerAt("a"));
    expect(book.brokersOf("x").map(({ host }) => host)).toEqual(["a", "b"]);
    expect(book.found("x", brokerAt("a", "IPv6"))).toBe(true);
    expect(book.found("x", { ...brokerAt("a", "IPv6"), port: 1884 })).toBe(true);
    expect(book.brokersOf("x")).toHaveLength(3);
  });

  it("are the last distinct ones, whatever the order in which it answers", () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(a, b, c, d)), (answers) => {
        const book = new PeerHistory();
        for (const broker of answers) book.found("x", broker);
        const latestFirst = [...new Set(answers.toReversed())];
        expect(book.brokersOf("x")).toEqual(latestFirst.slice(0, 3));
      }),
    );
  });
});

/** Bytes of a packet whose round trip tells of the distance, and of one that tells of the line. */
const SHORT = 200;
const LONG = 40_000;

describe("the speed of a peer's line", () => {
  it("is what its fastest long message of late shows", () => {
    const book = new PeerHistory();
    expect(book.speedOf("x").msFor(125)).toBe(1);
    book.measured("x", 100, SHORT);
    book.measured("x", 300, LONG);
    expect(book.speedOf("x").msFor(LONG)).toBe(300);
    book.measured("x", 150, LONG);
    expect(book.speedOf("x").msFor(LONG)).toBe(150);
    for (let i = 0; i < 3; i++) book.measured("x", 500, LONG);
    expect(book.speedOf("x").msFor(LONG)).toBe(500);
    expect(book.roundTripMs("x")).toBe(100);
    expect(book.speedOf("y").msFor(125)).toBe(1);
  });
});

describe("the round trip of a peer", () => {
  it("is unknown at first, then what was measured", () => {
    const book = new PeerHistory();
    expect(book.roundTripMs("x")).toBeUndefined();
    book.found("x", a);
    expect(book.roundTripMs("x")).toBeUndefined();
    book.measured("x", 80, SHORT);
    expect(book.roundTripMs("x")).toBe(80);
    expect(book.roundTripMs("y")).toBeUndefined();
  });

  it("moves by an eighth towards each new one", () => {
    const book = new PeerHistory();
    book.measured("x", 80, SHORT);
    book.measured("x", 160, SHORT);
    expect(book.roundTripMs("x")).toBe(90);
    book.measured("x", 10, SHORT);
    expect(book.roundTripMs("x")).toBe(80);
  });

  it("stays among those that were measured", () => {
    const anyTimes = fc.array(fc.double({ min: 0, max: 10_000, noNaN: true }), { minLength: 1 });
    fc.assert(
      fc.property(anyTimes, (times) => {
        const book = new PeerHistory();
        for (const time of times) book.measured("x", time, SHORT);
        expect(book.roundTripMs("x")).toBeGreaterThanOrEqual(Math.min(...times) - 1e-9);
        expect(book.roundTripMs("x")).toBeLessThanOrEqual(Math.max(...times) + 1e-9);
      }),
    );
  });
});

describe("a book", () => {
  it("forgets the peer that was used longest ago when there are too many", () => {
    const book = new PeerHistory();
    for (let i = 0; i < 1000; i++) book.found(`peer ${i}`, a);
    book.measured("peer 0", 5, SHORT);
    book.found("peer 1", a);
    book.found("one more", a);
    expect(book.brokersOf("peer 2")).toEqual([]);
    expect(book.roundTripMs("peer 0")).toBe(5);
    expect(book.brokersOf("peer 1")).toEqual([a]);
    expect(book.brokersOf("one more")).toEqual([a]);
  });
});

it("knows whether a peer acknowledges as the Python original does, by its latest ACK", () => {
  const book = new PeerHistory();
  expect(book.isOriginal("x")).toBeUndefined();
  book.found("x", a);
  expect(book.isOriginal("x")).toBeUndefined();
  book.acknowledged("x", true);
  expect([book.isOriginal("x"), book.isOriginal("y")]).toEqual([true, undefined]);
  book.acknowledged("x", false);
  expect(book.isOriginal("x")).toBe(false);
});
