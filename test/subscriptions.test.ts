import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { BrokerError } from "../src/base/errors.js";
import { MAX_TOPICS } from "../src/brokers/mqtt-packets.js";
import { type Change, type Subscriber, Subscriptions } from "../src/brokers/subscriptions.js";
import { makeSubscriber } from "./support/links.js";

/** An address's topic. */
const topicOf = (i: number): string => `02${i.toString(16).padStart(64, "0")}`;

interface Listener extends Subscriber {
  readonly answers: (BrokerError | undefined)[];
}

function listen(i: number, maxPayloadBytes = 100): Listener {
  const answers: (BrokerError | undefined)[] = [];
  return Object.assign(
    makeSubscriber({ topic: topicOf(i), maxPayloadBytes, onAnswer: (error) => answers.push(error) }),
    { answers },
  );
}

function granted(subscriptions: Subscriptions, change = subscriptions.next()): void {
  expect(change?.type).toBe("subscribe");
  expect(subscriptions.answered(change?.topics.map(() => 1))).toBeUndefined();
}

describe("the subscriptions of a session", () => {
  it("go many in a packet, one packet at a time", () => {
    const subscriptions = new Subscriptions();
    const listeners = Array.from({ length: MAX_TOPICS + 10 }, (_, i) => listen(i));
    for (const listener of listeners) subscriptions.add(listener);
    const first = subscriptions.next();
    expect(first).toEqual({ type: "subscribe", topics: listeners.slice(0, MAX_TOPICS).map((l) => l.topic) });
    expect(subscriptions.next()).toBeUndefined();
    granted(subscriptions, first);
    const second = subscriptions.next();
    expect(second?.topics).toHaveLength(10);
    granted(subscriptions, second);
    expect(subscriptions.next()).toBeUndefined();
    expect(listeners.every(({ answers }) => answers.length === 1 && answers[0] === undefined)).toBe(true);
  });

  it("that are refused are refused to those who wanted them, and to nobody else", () => {
    const subscriptions = new Subscriptions();
    const [a, b, c] = [listen(1), listen(2), listen(3)];
    for (const listener of [a, b, c]) subscriptions.add(listener);
    subscriptions.next();
    expect(subscriptions.answered([1, 0x80, 0])).toBeUndefined();
    expect([a, b, c].map(({ answers }) => answers.map((answer) => answer?.message))).toEqual([
      [undefined],
      ["wanted QoS 1, refused"],
      ["wanted QoS 1, granted QoS 0"],
    ]);
    // What was granted otherwise than asked is left, and what was refused is no topic of this session.
    expect([a, b, c].map(({ topic }) => subscriptions.limitOf(topic))).toEqual([100, undefined, -1]);
    expect(subscriptions.next()).toEqual({ type: "unsubscribe", topics: [c.topic] });
  });

  it("that were granted otherwise are asked for anew, not taken as they are", () => {
    const subscriptions = new Subscriptions();
    const [a, b] = [listen(1), listen(2)];
    subscriptions.add(a);
    subscriptions.add(b);
    subscriptions.next();
    subscriptions.answered([1, 0]);
    subscriptions.add(b);
    expect(b.answers).toHaveLength(1);
    granted(subscriptions);
    expect(b.answers).toEqual([expect.objectContaining({ reason: "subscription" }), undefined]);
  });

  it("say why, where none is granted", () => {
    const subscriptions = new Subscriptions();
    subscriptions.add(listen(1));
    subscriptions.add(listen(2));
    subscriptions.next();
    expect(subscriptions.answered([0x80, 0x80])).toMatchObject({ reason: "subscription" });
    expect(subscriptions.next()).toBeUndefined();
  });

  it("pass over what comes late on a topic that was left, and know those that nobody asked for", () => {
    const subscriptions = new Subscriptions();
    const [a, b] = [listen(1), listen(2)];
    subscriptions.add(a);
    // Wanted, and not asked for yet.
    expect(subscriptions.limitOf(a.topic)).toBeUndefined();
    const asked = subscriptions.next();
    expect(subscriptions.limitOf(a.topic)).toBe(100);
    granted(subscriptions, asked);
    subscriptions.remove(a);
    expect([subscriptions.limitOf(a.topic), subscriptions.find(a.topic)]).toEqual([-1, undefined]);
    expect(subscriptions.next()).toEqual({ type: "unsubscribe", topics: [a.topic] });
    subscriptions.answered();
    expect(subscriptions.limitOf(a.topic)).toBe(-1);
    expect(subscriptions.limitOf(b.topic)).toBeUndefined();
  });

  it("are asked for again by who comes while they are being left", () => {
    const subscriptions = new Subscriptions();
    const [before, after] = [listen(1), listen(1)];
    subscriptions.add(before);
    granted(subscriptions);
    subscriptions.remove(before);
    expect(subscriptions.next()?.type).toBe("unsubscribe");
    subscriptions.add(after);
    expect(after.answers).toEqual([]);
    subscriptions.answered();
    granted(subscriptions);
    expect(after.answers).toEqual([undefined]);
    // Not the one before.
    expect(before.answers).toEqual([undefined]);
    subscriptions.remove(before);
    expect(subscriptions.find(topicOf(1))).toBe(after);
  });

  it("are not left at all where somebody comes before that was said", () => {
    const subscriptions = new Subscriptions();
    const [before, after] = [listen(1), listen(1)];
    subscriptions.add(before);
    granted(subscriptions);
    subscriptions.remove(before);
    subscriptions.add(after);
    expect(after.answers).toEqual([undefined]);
    expect(subscriptions.next()).toBeUndefined();
  });

  it("remember a bounded number of topics that were left", () => {
    const subscriptions = new Subscriptions();
    for (let i = 0; i < 1100; i++) {
      const listener = listen(i);
      subscriptions.add(listener);
      granted(subscriptions);
      subscriptions.remove(listener);
      subscriptions.next();
      subscriptions.answered();
    }
    expect(subscriptions.limitOf(topicOf(50))).toBeUndefined();
    expect(subscriptions.limitOf(topicOf(1099))).toBe(-1);
  });

  it("come, over any history, to what is wanted, with a broker that agrees about it", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constantFrom("add", "remove"), topic: fc.nat(5) }),
      fc.record({ kind: fc.constantFrom("send", "answer"), topic: fc.constantFrom(0, 1, 0x80, 1, 1) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
        const subscriptions = new Subscriptions();
        /** What the broker sends here. */
        const atBroker = new Set<string>();
        const wanted = new Map<string, Listener>();
        let underWay: Change | undefined;
        const send = (): void => {
          underWay ??= subscriptions.next();
        };
        const answer = (code: number): void => {
          if (underWay === undefined) return;
          const { type, topics } = underWay;
          underWay = undefined;
          for (const topic of topics) {
            if (type === "unsubscribe") atBroker.delete(topic);
            else if (code < 0x80) atBroker.add(topic);
          }
          subscriptions.answered(type === "subscribe" ? topics.map(() => code) : undefined);
          // Who was refused wants it no more.
          if (type === "subscribe" && code !== 1)
            for (const topic of topics) if (wanted.get(topic)?.answers.at(-1)) wanted.delete(topic);
        };
        for (const { kind, topic } of steps) {
          const name = topicOf(topic);
          if (kind === "add") {
            const listener = wanted.get(name) ?? listen(topic);
            wanted.set(name, listener);
            subscriptions.add(listener);
          } else if (kind === "remove") {
            const listener = wanted.get(name);
            if (listener) subscriptions.remove(listener);
            wanted.delete(name);
          } else if (kind === "send") send();
          else answer(topic);
          // Nothing that a broker may send is taken for a foreign one.
          for (const there of atBroker) expect(subscriptions.limitOf(there)).toBeDefined();
        }
        do {
          answer(1);
          send();
        } while (underWay !== undefined);
        expect([...atBroker].toSorted()).toEqual([...wanted.keys()].toSorted());
        for (const [topic, listener] of wanted) {
          expect(subscriptions.find(topic)).toBe(listener);
          expect(listener.answers.at(-1)).toBeUndefined();
        }
      }),
      { numRuns: 2000 },
    );
  });
});
