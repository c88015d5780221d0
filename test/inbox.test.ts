import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Inbox, type InboxVerdict } from "../src/inbox.js";
import { median } from "./support/peers.js";

const GAP_MS = 1000;
const LIMITS = { gapTimeoutMs: GAP_MS, maxHeld: 100, maxQueues: 100 };
/** Longer than any queue is followed without a message. */
const LONG_MS = 3_600_000;

interface Item {
  readonly queue: string;
  readonly sequence: number;
}

/** What an inbox is to do, in the simplest words: a list of what waits, searched each time. */
class NaiveInbox {
  readonly #maxHeld: number;
  readonly #maxQueues: number;
  readonly next = new Map<string, number>();
  waiting: (Item & { readonly since: number })[] = [];

  constructor(maxHeld: number, maxQueues: number) {
    this.#maxHeld = maxHeld;
    this.#maxQueues = maxQueues;
  }

  check({ queue, sequence }: Item): InboxVerdict {
    const next = this.next.get(queue);
    if (next === undefined && this.next.size >= this.#maxQueues) return "full";
    if (sequence < (next ?? 0)) return "late";
    return sequence > (next ?? 0) && this.waiting.length >= this.#maxHeld ? "full" : "accepted";
  }

  offer(item: Item, now: number): Item[] {
    if (!this.next.has(item.queue)) this.next.set(item.queue, 0);
    this.waiting.push({ ...item, since: now });
    return this.#takeTurns(item.queue);
  }

  /** For each queue, everything up to the last item that has waited long enough, and what follows it. */
  expire(now: number): Map<string, Item[]> {
    const out = new Map<string, Item[]>();
    for (const queue of this.next.keys()) {
      const ripe = this.waiting.filter((item) => item.queue === queue && item.since + GAP_MS <= now);
      const upTo = Math.max(-1, ...ripe.map(({ sequence }) => sequence));
      const given = this.#take((item) => item.queue === queue && item.sequence <= upTo);
      if (given.length > 0) this.next.set(queue, upTo + 1);
      out.set(queue, [...given, ...this.#takeTurns(queue)]);
    }
    return out;
  }

  nextAt(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.waiting.map(({ since }) => since + GAP_MS));
  }

  #takeTurns(queue: string): Item[] {
    const out: Item[] = [];
    for (;;) {
      const next = this.next.get(queue) ?? 0;
      const turn = this.#take((item) => item.queue === queue && item.sequence === next);
      if (turn.length === 0) return out;
      out.push(...turn);
      this.next.set(queue, next + 1);
    }
  }

  #take(isTaken: (item: Item) => boolean): Item[] {
    const taken = this.waiting.filter(isTaken).sort((a, b) => a.sequence - b.sequence);
    this.waiting = this.waiting.filter((item) => !isTaken(item));
    return taken.map(({ queue, sequence }) => ({ queue, sequence }));
  }
}

type Step =
  | { readonly do: "offer"; readonly queue: string; readonly sequence: number }
  | { readonly do: "pass"; readonly ms: number };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("offer"),
      queue: fc.constantFrom("a", "b", "c"),
      sequence: fc.nat(12),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pass"), ms: fc.nat(700) }) },
);
const anySteps: fc.Arbitrary<Step[]> = fc.array(anyStep, { maxLength: 80, size: "max" });

/** Takes the steps as the receiver does: nothing is offered twice, and expire is called when it is due. */
function run(
  inbox: Inbox<Item>,
  steps: readonly Step[],
  seen: {
    onOffer?: (item: Item, verdict: InboxVerdict, out: readonly Item[], now: number) => void;
    onOut?: (items: readonly Item[], now: number) => void;
    onExpire?: (items: readonly Item[], now: number) => void;
  },
): void {
  const offered = new Set<string>();
  let now = 0;
  const expire = (at: number): void => {
    now = at;
    const out = inbox.expire(now);
    seen.onExpire?.(out, now);
    seen.onOut?.(out, now);
  };
  for (const step of steps) {
    if (step.do === "pass") {
      const until = now + step.ms;
      while (inbox.nextAt() <= until) {
        const { held } = inbox;
        expire(inbox.nextAt());
        if (inbox.held === held) throw new Error(`nothing has waited long enough at ${now}`);
      }
      now = until;
      continue;
    }
    const { queue, sequence } = step;
    const verdict = inbox.check(queue, sequence);
    if (offered.has(`${queue}${sequence}`)) continue;
    const item: Item = { queue, sequence };
    const out = verdict === "accepted" ? inbox.offer(queue, sequence, item, now) : [];
    if (verdict === "accepted") offered.add(`${queue}${sequence}`);
    seen.onOffer?.(item, verdict, out, now);
    seen.onOut?.(out, now);
  }
}

/** An inbox that was offered these sequence numbers of one queue, and what came out. */
function inboxAfter(...sequences: number[]): { inbox: Inbox<number>; out: number[] } {
  const inbox = new Inbox<number>(LIMITS);
  return { inbox, out: sequences.flatMap((sequence) => inbox.offer("a", sequence, sequence, 0)) };
}

describe("an inbox", () => {
  it("hands over each queue in order, everything once, nothing later than the gap timeout", () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const inbox = new Inbox<Item>({ ...LIMITS, maxHeld: 6, maxQueues: 3 });
        const acceptedAt = new Map<Item, number>();
        const out: Item[] = [];
        run(inbox, steps, {
          onOffer: (item, verdict, _, now) => {
            if (verdict === "accepted") acceptedAt.set(item, now);
          },
          onOut: (items, now) => {
            for (const item of items) expect(now - (acceptedAt.get(item) ?? 0)).toBeLessThanOrEqual(GAP_MS);
            out.push(...items);
          },
        });
        out.push(...inbox.flush());

        expect(out).toHaveLength(acceptedAt.size);
        expect(new Set(out)).toEqual(new Set(acceptedAt.keys()));
        for (const queue of ["a", "b", "c"]) {
          const sequences = out.filter((item) => item.queue === queue).map(({ sequence }) => sequence);
          expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
        }
        expect(inbox.held).toBe(0);
        expect(inbox.nextAt()).toBe(Number.POSITIVE_INFINITY);
      }),
      { numRuns: 500 },
    );
  });

  it("does what a naive one does", () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const inbox = new Inbox<Item>({ ...LIMITS, maxHeld: 4, maxQueues: 2 });
        const model = new NaiveInbox(4, 2);
        run(inbox, steps, {
          onOffer: (item, verdict, out, now) => {
            expect(verdict).toBe(model.check(item));
            if (verdict === "accepted") expect(out).toEqual(model.offer(item, now));
            expect(inbox.held).toBe(model.waiting.length);
            expect(inbox.held).toBeLessThanOrEqual(4);
            expect(inbox.queues).toBe(model.next.size);
            expect(inbox.nextAt()).toBe(model.nextAt());
          },
          onExpire: (items, now) => {
            for (const [queue, expected] of model.expire(now)) {
              expect(items.filter((item) => item.queue === queue)).toEqual(expected);
            }
          },
        });
      }),
      { numRuns: 500 },
    );
  });

  it("hands over at once what comes in order", () => {
    expect(inboxAfter(0, 1, 2, 3).out).toEqual([0, 1, 2, 3]);
  });

  it("holds what comes behind a gap until the gap is filled", () => {
    const { inbox, out } = inboxAfter(0, 2, 3, 5);
    expect(out).toEqual([0]);
    expect(inbox.held).toBe(3);
    expect(inbox.offer("a", 1, 1, 10)).toEqual([1, 2, 3]);
    expect(inbox.held).toBe(1);
  });

  it("gives a gap up after the timeout and not before", () => {
    const { inbox } = inboxAfter(0, 2);
    expect(inbox.nextAt()).toBe(GAP_MS);
    expect(inbox.expire(GAP_MS - 1)).toEqual([]);
    expect(inbox.expire(GAP_MS)).toEqual([2]);
    expect(inbox.expire(GAP_MS)).toEqual([]);
  });

  it("hands over with what has waited long enough also what comes before it and right behind it", () => {
    const { inbox } = inboxAfter(0, 5);
    for (const sequence of [3, 6, 8]) inbox.offer("a", sequence, sequence, 500);
    expect(inbox.expire(GAP_MS)).toEqual([3, 5, 6]);
    expect(inbox.nextAt()).toBe(500 + GAP_MS);
  });

  it("waits for a queue that is first seen above 0, then starts there", () => {
    const { inbox, out } = inboxAfter(7);
    expect(out).toEqual([]);
    expect(inbox.expire(GAP_MS)).toEqual([7]);
    expect(inbox.offer("a", 8, 8, GAP_MS)).toEqual([8]);
  });

  it("holds nothing where the gap timeout is 0 and expire follows each offer", () => {
    const inbox = new Inbox<number>({ ...LIMITS, gapTimeoutMs: 0 });
    expect(inbox.offer("a", 4, 4, 10)).toEqual([]);
    expect(inbox.nextAt()).toBe(10);
    expect(inbox.expire(10)).toEqual([4]);
  });

  it("keeps its queues apart", () => {
    const { inbox } = inboxAfter(1);
    expect(inbox.offer("b", 0, 0, 0)).toEqual([0]);
    expect(inbox.held).toBe(1);
  });

  it("takes the last sequence number there is", () => {
    const { inbox } = inboxAfter(0xffff_ffff);
    expect(inbox.flush()).toEqual([0xffff_ffff]);
    expect(inbox.check("a", 0xffff_ffff)).toBe("late");
  });
});

describe("its verdict", () => {
  it("is late for a place that was handed over or given up", () => {
    const { inbox } = inboxAfter(0, 3);
    expect(inbox.check("a", 0)).toBe("late");
    expect(inbox.check("a", 1)).toBe("accepted");
    inbox.expire(GAP_MS);
    expect(inbox.check("a", 1)).toBe("late");
    expect(inbox.check("a", 3)).toBe("late");
    expect(inbox.check("a", 4)).toBe("accepted");
  });

  it("is full for what would have to be held when no more can be, not for what has its turn", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxHeld: 2 });
    inbox.offer("a", 1, 1, 0);
    inbox.offer("b", 9, 9, 0);
    expect(inbox.check("a", 2)).toBe("full");
    expect(inbox.check("c", 1)).toBe("full");
    expect(inbox.check("a", 0)).toBe("accepted");
    expect(inbox.check("c", 0)).toBe("accepted");
  });

  it("is full for a new queue when no more can be followed", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxQueues: 1 });
    inbox.offer("a", 0, 0, 0);
    expect(inbox.check("b", 0)).toBe("full");
    expect(inbox.check("a", 1)).toBe("accepted");
  });

  it("is the same when it is asked for once more", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxQueues: 1 });
    inbox.offer("a", 2, 2, 0);
    expect([inbox.check("a", 1), inbox.check("a", 1)]).toEqual(["accepted", "accepted"]);
    expect([inbox.check("b", 0), inbox.check("b", 0)]).toEqual(["full", "full"]);
    inbox.flush();
    expect([inbox.check("a", 1), inbox.check("a", 1)]).toEqual(["late", "late"]);
  });
});

describe("a queue", () => {
  it("is forgotten after a silence, by its last use, when nothing of it waits; others are not", () => {
    const inbox = new Inbox<number>(LIMITS);
    inbox.offer("old", 0, 0, 0);
    inbox.offer("used", 0, 0, 0);
    inbox.offer("waits", 1, 1, 1);
    inbox.offer("young", 0, 0, 2);
    inbox.offer("used", 1, 1, 2);
    inbox.purge(LONG_MS + 1);
    expect(inbox.queues).toBe(3);
    expect(inbox.check("young", 0)).toBe("late");
    expect(inbox.check("used", 1)).toBe("late");
    expect(inbox.check("old", 0)).toBe("accepted");
    expect(inbox.flush()).toEqual([1]);
  });

  it("makes room where many are followed, once nothing of it can be fresh", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxQueues: 2 });
    inbox.offer("a", 0, 0, 0);
    inbox.offer("b", 0, 0, 200_000);
    // 120 s old at most when it was sent, 120 s ahead at most when it came.
    inbox.purge(239_999);
    expect(inbox.check("c", 0)).toBe("full");
    inbox.purge(240_000);
    expect(inbox.check("c", 0)).toBe("accepted");
    expect(inbox.check("b", 0)).toBe("late");
    // One is not many.
    inbox.purge(LONG_MS);
    expect(inbox.queues).toBe(1);
  });
});

describe("an inbox that follows as many queues as it may", () => {
  const MANY = 131_072;

  /** Queues of which one message came in order, one each millisecond. */
  function crowded(): Inbox<number> {
    const inbox = new Inbox<number>({ ...LIMITS, maxQueues: MANY });
    for (let i = 0; i < MANY; i++) inbox.offer(`queue ${i}`, 0, i, i);
    return inbox;
  }

  it("gives up a gap without looking at the others", () => {
    const inbox = crowded();
    for (let i = 0; i < 40; i++) inbox.offer(`queue ${i}`, 5, i, MANY + i);
    const tookMs = Array.from({ length: 40 }, (_, i) => {
      const began = performance.now();
      expect(inbox.expire(MANY + i + GAP_MS)).toHaveLength(1);
      expect(inbox.nextAt()).toBe(i === 39 ? Number.POSITIVE_INFINITY : MANY + i + 1 + GAP_MS);
      return performance.now() - began;
    });
    expect(median(tookMs)).toBeLessThan(1);
  });

  it("forgets them little by little, and makes room with the first call", () => {
    const inbox = crowded();
    expect(inbox.check("new", 0)).toBe("full");
    let { queues } = inbox;
    for (let call = 0; call < 200 && inbox.queues > 0; call++) {
      inbox.purge(MANY + LONG_MS);
      expect(queues - inbox.queues).toBeLessThanOrEqual(2048);
      ({ queues } = inbox);
      expect(inbox.check("new", 0)).toBe("accepted");
    }
    expect(inbox.queues).toBe(0);
  });
});
