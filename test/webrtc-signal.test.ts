import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  formatSignal,
  isSignalText,
  MAX_CANDIDATES,
  parseSignal,
  type Signal,
} from "../src/webrtc/signal.js";

const offer = { number: 0, description: { type: "offer", sdp: "v=0" } } as const;
const candidate = { candidate: "", sdpMid: "0", usernameFragment: "abcd" };

/** The text of something that is like a signal. */
const textOf = (fields: object): string => JSON.stringify({ webrtc: 1, ...fields });

describe("a signal's text", () => {
  it("is read as it was written", () => {
    const signals: readonly Signal[] = [
      { from: "m1-ab", content: offer },
      { from: "m1-ab", content: { ...offer, candidates: [candidate] } },
      { from: "m1-ab", to: "m1-cd", content: { candidates: [candidate, { candidate: "x", sdpMid: "0" }] } },
      { from: "m1-ab", to: "m1-cd", content: { end: true } },
    ];
    for (const signal of signals) {
      expect(isSignalText(formatSignal(signal))).toBe(true);
      expect(parseSignal(formatSignal(signal))).toEqual(signal);
    }
  });

  it("is none with a field that is odd or too long", () => {
    for (const fields of [
      { from: "", content: offer },
      { from: "a".repeat(41), content: offer },
      { from: "Ä", content: offer },
      { from: "a", to: null, content: offer },
      { from: "a", content: { ...offer, number: -1 } },
      { from: "a", content: { ...offer, number: 0.5 } },
      { from: "a", content: { ...offer, number: "0" } },
      { from: "a", content: { ...offer, description: { type: "pranswer", sdp: "" } } },
      { from: "a", content: { ...offer, description: { type: "offer", sdp: "x".repeat(40_000) } } },
      { from: "a", content: { ...offer, candidates: "many" } },
      { from: "a", content: { candidates: Array.from({ length: MAX_CANDIDATES + 1 }, () => candidate) } },
      { from: "a", content: { end: 1 } },
      { from: "a", content: {} },
      { from: "a", content: [] },
    ])
      expect(parseSignal(textOf(fields))).toBeUndefined();
    expect(parseSignal(JSON.stringify({ from: "a", content: offer }))).toBeUndefined();
  });

  it("leaves out what is no candidate, and takes the others", () => {
    const candidates = [
      { candidate: "x".repeat(1001), sdpMid: "0" },
      { candidate: "", sdpMid: 0 },
      null,
      candidate,
    ];
    expect(parseSignal(textOf({ from: "a", content: { candidates } }))?.content).toEqual({
      candidates: [candidate],
    });
  });

  it("may be anything, and holds nothing that was not asked for", () => {
    const from = fc.constantFrom<unknown>("a", "b-1", 1, null);
    const candidates = fc.oneof(fc.constant([candidate]), fc.jsonValue());
    const content = fc.oneof(
      fc.constant(offer),
      fc.record({ candidates }),
      fc.record({
        number: fc.nat(),
        description: fc.oneof(fc.constant(offer.description), fc.jsonValue()),
        candidates,
      }),
      fc.jsonValue(),
    );
    const texts = fc.oneof(
      fc.string(),
      fc.string().map((text) => `{"webrtc":1,${text}`),
      fc.record({ from, to: from, content, more: fc.jsonValue() }).map(textOf),
    );
    const known = [/^from$/, /^to$/, /^content$/];
    fc.assert(
      fc.property(texts, (text) => {
        const signal = parseSignal(text);
        if (signal === undefined) return;
        expect(Object.keys(signal).filter((name) => !known.some((one) => one.test(name)))).toEqual([]);
        expect(typeof signal.from).toBe("string");
        // What is read can be told to others: nothing odd is in there.
        expect(parseSignal(formatSignal(signal))).toEqual(signal);
      }),
      { numRuns: 5000 },
    );
  });
});
