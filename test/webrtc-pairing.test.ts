import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isCall, judge, LifeNames, type Pair } from "../src/webrtc/pairing.js";
import type { Signal, SignalContent } from "../src/webrtc/signal.js";

const offer: SignalContent = { number: 0, description: { type: "offer", sdp: "" } };
const answer: SignalContent = { number: 0, description: { type: "answer", sdp: "" } };
const candidate: SignalContent = { candidates: [{ candidate: "", sdpMid: "0" }] };

describe("a signal between two pages", () => {
  const call: Signal = { from: "5", content: offer };
  const calling: Pair = { id: "me" };
  const paired: Pair = { id: "me", remote: "5" };
  const verdicts: readonly (readonly [what: string, verdict: string, signal: Signal, mine?: Pair])[] = [
    ["a call, when nothing goes on", "answer", call],
    ["the same call again", "take", call, paired],
    ["a call from a later life", "answer", { ...call, from: "6" }, paired],
    ["a call from an earlier life, however late", "drop", { ...call, from: "4" }, paired],
    ["a candidate before its call, when nothing goes on", "keep", { from: "5", content: candidate }],
    ["a candidate before its call", "keep", { from: "6", content: candidate }, paired],
    ["a caller's candidate", "take", { from: "5", content: candidate }, paired],
    ["the answer to one's call", "take", { from: "5", to: "me", content: answer }, calling],
    ["a call that crosses one's own", "meet", call, calling],
    ["a call that crosses one's own, and knows of it", "take", { ...call, to: "me" }, calling],
    ["what follows it", "take", { from: "5", to: "me", content: candidate }, paired],
    ["an answer to a former call", "drop", { from: "5", to: "before", content: answer }, calling],
    [
      "an answer to a former call, when nothing goes on",
      "drop",
      { from: "5", to: "before", content: answer },
    ],
    ["a later life's word to a former one", "renew", { from: "6", to: "before", content: answer }, paired],
    ["a later life's word to this one", "renew", { from: "6", to: "me", content: answer }, paired],
    ["an earlier life's word to this one", "drop", { from: "4", to: "me", content: answer }, paired],
    ["no call: a second offer", "keep", { from: "5", content: { ...offer, number: 1 } }, calling],
    ["no call: an answer to nobody", "keep", { from: "5", content: answer }, calling],
  ];
  for (const [what, verdict, signal, mine] of verdicts) {
    it(`is, as ${what}, to be: ${verdict}`, () => {
      expect(judge(signal, mine)).toBe(verdict);
    });
  }

  it("is a call only as a first offer to nobody in particular", () => {
    expect(isCall(call)).toBe(true);
    for (const signal of [
      { ...call, to: "5" },
      { ...call, content: answer },
      { ...call, content: candidate },
    ])
      expect(isCall(signal)).toBe(false);
  });
});

describe("the names of lives", () => {
  it("are in the order of their beginnings, also within a millisecond and after a reload", async () => {
    const before = new LifeNames();
    const names = Array.from({ length: 100 }, () => before.next());
    // A page takes longer than that to load.
    await new Promise((resolve) => setTimeout(resolve, 200));
    names.push(new LifeNames().next());
    expect(names.toSorted()).toEqual(names);
    expect(new Set(names).size).toBe(names.length);
  });
});

/** What a page does with its signals, without a connection to do it for. */
class Side {
  readonly #send: (signal: Signal) => void;
  readonly #next: () => string;
  mine: { id: string; remote?: string } | undefined;
  #call: Signal | undefined;

  constructor(next: () => string, send: (signal: Signal) => void) {
    this.#send = send;
    this.#next = next;
  }

  call(): void {
    this.mine = { id: this.#next() };
    this.#call = { from: this.mine.id, content: offer };
    this.#send(this.#call);
    this.#send({ from: this.mine.id, content: candidate });
  }

  /** Its page is loaded again, or it gives up; it does not call. */
  forget(): void {
    this.mine = undefined;
  }

  receive(signal: Signal): void {
    const { from } = signal;
    const verdict = judge(signal, this.mine);
    if (verdict === "take" && this.mine !== undefined) this.mine.remote = from;
    else if (verdict === "answer") {
      this.mine = { id: this.#next(), remote: from };
      for (const content of [answer, candidate]) this.#send({ from: this.mine.id, to: from, content });
    } else if (verdict === "meet" && this.mine !== undefined) {
      this.mine.remote = from;
      if (this.#call !== undefined) this.#send({ ...this.#call, to: from });
    } else if (verdict === "renew") this.call();
  }
}

describe("two pages that call, give up and are loaded again, by signals that come late, twice and in any order", () => {
  it("end up connected to each other, after few signals", () => {
    const step = fc.record({
      what: fc.constantFrom("deliver", "deliver", "deliver", "deliver", "copy", "lose", "call", "forget"),
      side: fc.constantFrom(0, 1),
      pick: fc.nat(),
    });
    const schedule = fc.record({
      steps: fc.array(step, { maxLength: 40 }),
      /** Who calls when all that is over. */
      callers: fc.constantFrom<readonly number[]>([0], [1], [0, 1]),
      picks: fc.infiniteStream(fc.nat()),
    });
    fc.assert(
      fc.property(schedule, ({ steps, callers, picks }) => {
        const flying: { readonly to: number; readonly signal: Signal }[] = [];
        let names = 0;
        let sent = 0;
        const next = (): string => String(++names).padStart(6, "0");
        const sides = [0, 1].map(
          (i) =>
            new Side(next, (signal) => {
              sent++;
              flying.push({ to: 1 - i, signal });
            }),
        );
        const deliver = (pick: number): void => {
          const [landing] = flying.splice(pick % flying.length, 1);
          if (landing !== undefined) sides[landing.to]?.receive(landing.signal);
        };
        for (const { what, side, pick } of steps) {
          const copied = flying[pick % flying.length];
          if (what === "deliver") deliver(pick);
          else if (what === "copy" && copied !== undefined) flying.push(copied);
          else if (what === "lose") flying.splice(pick % (flying.length + 1), 1);
          else if (what === "call") sides[side]?.call();
          else if (what === "forget") sides[side]?.forget();
        }
        sent = 0;
        for (const caller of callers) sides[caller]?.call();
        while (flying.length > 0 && sent < 1000) deliver(picks.next().value ?? 0);
        const [a, b] = sides.map(({ mine }) => mine);
        expect({ a: a?.remote, b: b?.remote }).toEqual({ a: b?.id, b: a?.id });
        expect(sent).toBeLessThan(100);
      }),
      { numRuns: 5000 },
    );
  });
});
