import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseSignal } from "../examples/webrtc/signal.js";

describe("a signal's text", () => {
  const offer = { number: 0, description: { type: "offer", sdp: "v=0" } };
  const candidate = { candidate: { candidate: "", sdpMid: "0", usernameFragment: "abcd" } };

  it("is read as it was written", () => {
    for (const signal of [
      { from: "m1-ab", content: offer },
      { from: "m1-ab", to: "m1-cd", content: candidate },
    ])
      expect(parseSignal(JSON.stringify(signal))).toEqual(signal);
  });

  it("is none with a field that is odd or too long", () => {
    for (const signal of [
      { from: "", content: offer },
      { from: "a".repeat(41), content: offer },
      { from: "Ä", content: offer },
      { from: "a", to: null, content: offer },
      { from: "a", content: { ...offer, number: -1 } },
      { from: "a", content: { ...offer, number: 0.5 } },
      { from: "a", content: { ...offer, number: "0" } },
      { from: "a", content: { ...offer, description: { type: "pranswer", sdp: "" } } },
      { from: "a", content: { candidate: { candidate: "x".repeat(1001), sdpMid: "0" } } },
      { from: "a", content: { candidate: { candidate: "", sdpMid: 0 } } },
      { from: "a", content: [] },
    ])
      expect(parseSignal(JSON.stringify(signal))).toBeUndefined();
  });

  it("may be anything, and holds nothing that was not asked for", () => {
    const from = fc.constantFrom<unknown>("a", "b-1", 1, null);
    const content = fc.oneof(fc.constantFrom<unknown>(offer, candidate), fc.jsonValue());
    const texts = fc.oneof(
      fc.string(),
      fc.json(),
      fc.record({ from, to: from, content, more: fc.jsonValue() }).map((value) => JSON.stringify(value)),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const signal = parseSignal(text);
        if (signal === undefined) return;
        expect(Object.keys(signal).filter((name) => !["from", "to", "content"].includes(name))).toEqual([]);
        expect(typeof signal.from).toBe("string");
      }),
      { numRuns: 2000 },
    );
  });
});
