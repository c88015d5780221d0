import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Inbox, type InboxVerdict, type Sender } from "../src/receiving/inbox.js";
import { median } from "./support/peers.js";

const GAP_MS = 1000;
/** What is counted for a message beside its bytes. */
const OVERHEAD = 4096;
const LIMITS = { gapTimeoutMs: GAP_MS, maxHeldBytes: 100 * OVERHEAD, maxQueues: 100 };
/** Longer than any queue is followed without a message. */
const LONG_MS = 3 * 3_600_000;

/** A queue's only sender. */
function by(source: string, isKnown = true, passed = 0): Sender {
  return { source, isKnown, passed };
}

interface Item {
  readonly queue: string;
  readonly sequence: number;
  readonly length: number;
}

/** What an inbox is to do, in the simplest words: a list of what waits, searched each time. */
class NaiveInbox {
  readonly #maxHeldBytes: number;
  readonly next = new Map<string, number>();
  waiting: (Item & { readonly since: number })[] = [];

  constructor(maxHeldBytes: number) {
    this.#maxHeldBytes = maxHeldBytes;
  }

  /** Bytes of what waits, and of the heads that are kept with it. */
  get bytes(): number {
    return this.waiting.reduce((sum, { length }) => sum + length + OVERHEAD, 0);
  }

  /** Those of one sender, who has one queue here. */
  bytesOf(sender: string): number {
    const own = this.waiting.filter(({ queue }) => queue === sender);
    return own.reduce((sum, { length }) => sum + length + OVERHEAD, 0);
  }

  check({ queue, sequence }: Item, isKnown: boolean): InboxVerdict {
    const next = this.next.get(queue);
    if (sequence < (next ?? 0)) return "late";
    if (sequence === (next ?? 0)) return "accepted";
    const room = isKnown ? this.#maxHeldBytes : (this.#maxHeldBytes * 3) / 4;
    const isFull = this.bytes >= room || this.bytesOf(queue) >= this.#maxHeldBytes / 4;
    return isFull ? "full" : "accepted";
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
    return taken.map(({ queue, sequence, length }) => ({ queue, sequence, length }));
  }
}

type Step =
  | (Item & { readonly do: "offer"; readonly isKnown: boolean })
  | { readonly do: "pass"; readonly ms: number };

const anyStep: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant("offer"),
      queue: fc.constantFrom("a", "b", "c"),
      sequence: fc.nat(12),
      length: fc.constantFrom(0, 1000, OVERHEAD, 20_000),
      isKnown: fc.boolean(),
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
    onOffer?: (
      item: Item,
      isKnown: boolean,
      verdict: InboxVerdict,
      out: readonly Item[],
      now: number,
    ) => void;
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
    const { queue, sequence, length, isKnown } = step;
    const verdict = inbox.check(queue, sequence, by(queue, isKnown));
    if (offered.has(`${queue}${sequence}`)) continue;
    const item: Item = { queue, sequence, length };
    const out =
      verdict === "accepted" ? inbox.offer(queue, sequence, by(queue, isKnown), length, item, now) : [];
    if (verdict === "accepted") offered.add(`${queue}${sequence}`);
    seen.onOffer?.(item, isKnown, verdict, out, now);
    seen.onOut?.(out, now);
  }
}

/** Offers an empty message that is its own number. */
function put(inbox: Inbox<number>, queue: string, sequence: number, now: number): number[] {
  return inbox.offer(queue, sequence, by(queue), 0, sequence, now);
}

/** Whether an empty message of a known peer may come in. */
function ask(inbox: Inbox<number>, queue: string, sequence: number): InboxVerdict {
  return inbox.check(queue, sequence, by(queue));
}

/** An inbox that was offered these sequence numbers of one queue, and what came out. */
function inboxAfter(...sequences: number[]): { inbox: Inbox<number>; out: number[] } {
  const inbox = new Inbox<number>(LIMITS);
  return { inbox, out: sequences.flatMap((sequence) => put(inbox, "a", sequence, 0)) };
}

describe("an inbox", () => {
  it("hands over each queue in order, everything once, nothing later than the gap timeout", () => {
    fc.assert(
      fc.property(anySteps, (steps) => {
        const inbox = new Inbox<Item>({ ...LIMITS, maxHeldBytes: 6 * OVERHEAD });
        const acceptedAt = new Map<Item, number>();
        const out: Item[] = [];
        run(inbox, steps, {
          onOffer: (item, _, verdict, __, now) => {
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
    const ROOM = 5 * OVERHEAD;
    fc.assert(
      fc.property(anySteps, (steps) => {
        const inbox = new Inbox<Item>({ ...LIMITS, maxHeldBytes: ROOM });
        const model = new NaiveInbox(ROOM);
        run(inbox, steps, {
          onOffer: (item, isKnown, verdict, out, now) => {
            expect(verdict).toBe(model.check(item, isKnown));
            if (verdict === "accepted") expect(out).toEqual(model.offer(item, now));
            expect(inbox.held).toBe(model.waiting.length);
            expect(model.bytes - (model.waiting.at(-1)?.length ?? 0)).toBeLessThan(ROOM + OVERHEAD);
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
    expect(put(inbox, "a", 1, 10)).toEqual([1, 2, 3]);
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
    for (const sequence of [3, 6, 8]) put(inbox, "a", sequence, 500);
    expect(inbox.expire(GAP_MS)).toEqual([3, 5, 6]);
    expect(inbox.nextAt()).toBe(500 + GAP_MS);
  });

  it("waits for a queue that is first seen above 0, then starts there", () => {
    const { inbox, out } = inboxAfter(7);
    expect(out).toEqual([]);
    expect(inbox.expire(GAP_MS)).toEqual([7]);
    expect(put(inbox, "a", 8, GAP_MS)).toEqual([8]);
  });

  it("holds nothing where the gap timeout is 0 and expire follows each offer", () => {
    const inbox = new Inbox<number>({ ...LIMITS, gapTimeoutMs: 0 });
    expect(put(inbox, "a", 4, 10)).toEqual([]);
    expect(inbox.nextAt()).toBe(10);
    expect(inbox.expire(10)).toEqual([4]);
  });

  it("keeps its queues apart", () => {
    const { inbox } = inboxAfter(1);
    expect(put(inbox, "b", 0, 0)).toEqual([0]);
    expect(inbox.held).toBe(1);
  });

  it("takes the last sequence number there is", () => {
    const { inbox } = inboxAfter(0xffff_ffff);
    expect(inbox.flush()).toEqual([0xffff_ffff]);
    expect(ask(inbox, "a", 0xffff_ffff)).toBe("late");
  });
});

describe("its verdict", () => {
  it("is late for a place that was handed over or given up", () => {
    const { inbox } = inboxAfter(0, 3);
    expect(ask(inbox, "a", 0)).toBe("late");
    expect(ask(inbox, "a", 1)).toBe("accepted");
    inbox.expire(GAP_MS);
    expect(ask(inbox, "a", 1)).toBe("late");
    expect(ask(inbox, "a", 3)).toBe("late");
    expect(ask(inbox, "a", 4)).toBe("accepted");
  });

  it("is full for what would have to be held when no more can be, not for what has its turn", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxHeldBytes: 2 * OVERHEAD });
    put(inbox, "a", 1, 0);
    put(inbox, "b", 9, 0);
    expect(ask(inbox, "a", 2)).toBe("full");
    expect(ask(inbox, "c", 1)).toBe("full");
    expect(ask(inbox, "a", 0)).toBe("accepted");
    expect(ask(inbox, "c", 0)).toBe("accepted");
  });

  it("is full by the bytes that wait, of one source in a quarter of the room", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxHeldBytes: 400_000 });
    for (const source of ["a", "b", "c", "d"]) {
      expect(ask(inbox, source, 1)).toBe("accepted");
      inbox.offer(source, 1, by(source), 50_000, 1, 0);
      expect(ask(inbox, source, 2)).toBe("accepted");
      inbox.offer(source, 2, by(source), 50_000, 2, 0);
      expect(ask(inbox, source, 3)).toBe("full");
      expect(inbox.check("another queue of its", 1, by(source))).toBe("full");
      expect(ask(inbox, "e", 1)).toBe(source === "d" ? "full" : "accepted");
    }
    put(inbox, "a", 0, 0);
    expect([ask(inbox, "a", 4), ask(inbox, "e", 1), ask(inbox, "b", 3)]).toEqual([
      ...["accepted", "accepted", "full"],
    ]);
  });

  it("lets strangers fill three quarters, and a peer that is known the rest", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxHeldBytes: 8 * OVERHEAD });
    let count = 0;
    while (inbox.check(`stranger ${++count}`, 1, by(`stranger ${count}`, false)) === "accepted")
      put(inbox, `stranger ${count}`, 1, 0);
    expect(inbox.held).toBe(6);
    for (const behind of [1, 2]) {
      expect(ask(inbox, "known", behind)).toBe("accepted");
      put(inbox, "known", behind, 0);
    }
    expect(ask(inbox, "known", 3)).toBe("full");
  });

  it("lets one message wait that is longer than all may be", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxHeldBytes: 1000 });
    expect(inbox.check("a", 1, by("a", false))).toBe("accepted");
    inbox.offer("a", 1, by("a", false), 1e6, 1, 0);
    expect(ask(inbox, "a", 2)).toBe("full");
    expect(inbox.flush()).toEqual([1]);
    expect(inbox.check("a", 3, by("a", false))).toBe("accepted");
  });

  it("goes by what is remembered elsewhere of a queue that it does not follow", () => {
    const inbox = new Inbox<number>(LIMITS);
    expect(inbox.check("a", 4, by("a", true, 5))).toBe("late");
    expect(inbox.offer("a", 5, by("a", true, 5), 0, 5, 0)).toEqual([5]);
    expect(inbox.offer("b", 7, by("b", true, 6), 0, 7, 0)).toEqual([]);
    expect(inbox.offer("b", 6, by("b", true, 8), 0, 6, 0)).toEqual([6, 7]);
  });

  it("is the same when it is asked for once more", () => {
    const inbox = new Inbox<number>(LIMITS);
    put(inbox, "a", 2, 0);
    expect([ask(inbox, "a", 1), ask(inbox, "a", 1)]).toEqual(["accepted", "accepted"]);
    inbox.flush();
    expect([ask(inbox, "a", 1), ask(inbox, "a", 1)]).toEqual(["late", "late"]);
  });
});

describe("a queue", () => {
  it("is forgotten after a silence, by its last use, when nothing of it waits; others are not", () => {
    const inbox = new Inbox<number>(LIMITS);
    put(inbox, "old", 0, 0);
    put(inbox, "used", 0, 0);
    put(inbox, "waits", 1, 1);
    put(inbox, "young", 0, 2);
    put(inbox, "used", 1, 2);
    inbox.purge(LONG_MS + 1);
    expect(inbox.queues).toBe(3);
    expect(ask(inbox, "young", 0)).toBe("late");
    expect(ask(inbox, "used", 1)).toBe("late");
    expect(ask(inbox, "old", 0)).toBe("accepted");
    expect(inbox.flush()).toEqual([1]);
  });

  it("gives way when its source has more than a quarter of the room, the longest silent first", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxQueues: 16 });
    for (let i = 0; i < 4; i++) inbox.offer(`ann ${i}`, 0, by("ann", i === 0), 0, i, i);
    inbox.offer("ann 0", 1, by("ann"), 0, 1, 4);
    inbox.offer("ann 4", 0, by("ann"), 0, 4, 5);
    expect(inbox.queues).toBe(4);
    expect([0, 1, 2, 3, 4].map((i) => inbox.follows(`ann ${i}`))).toEqual([true, false, true, true, true]);
  });

  it("of a stranger gives way to the next stranger's, and to a known peer's; not the other way round", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxQueues: 16 });
    const friends = ["ann", "ben", "cid", "dee"];
    for (const friend of friends) put(inbox, friend, 0, 0);
    for (let i = 0; i < 1000; i++) {
      const stranger = `stranger ${i}`;
      expect(inbox.check(stranger, 0, by(stranger, false))).toBe("accepted");
      expect(inbox.offer(stranger, 0, by(stranger, false), 0, 0, i)).toEqual([0]);
    }
    expect(inbox.queues).toBe(16);
    expect(friends.map((friend) => ask(inbox, friend, 0))).toEqual(friends.map(() => "late"));
    for (let i = 0; i < 12; i++) put(inbox, `friend ${i}`, 0, 1000);
    expect(inbox.follows("stranger 999")).toBe(false);
    expect(inbox.follows("ann")).toBe(true);
    expect(inbox.queues).toBe(16);
  });

  it("of which something waits is never forgotten", () => {
    const inbox = new Inbox<number>({ ...LIMITS, maxQueues: 4 });
    inbox.offer("waits", 1, by("waits", false), 0, 1, 0);
    for (let i = 0; i < 20; i++) inbox.offer(`q ${i}`, 0, by(`s ${i}`, false), 0, 0, i);
    expect(inbox.follows("waits")).toBe(true);
    expect(inbox.offer("waits", 0, by("waits", false), 0, 0, 30)).toEqual([0, 1]);
  });
});

describe("an inbox that follows as many queues as it may", () => {
  const MANY = 131_072;

  /** Queues of which one message came in order, one each millisecond. */
  function crowded(): Inbox<number> {
    const inbox = new Inbox<number>({ ...LIMITS, maxQueues: MANY });
    for (let i = 0; i < MANY; i++) put(inbox, `queue ${i}`, 0, i);
    return inbox;
  }

  it("gives up a gap without looking at the others", () => {
    const inbox = crowded();
    for (let i = 0; i < 40; i++) put(inbox, `queue ${MANY - 1 - i}`, 5, MANY + i);
    const tookMs = Array.from({ length: 40 }, (_, i) => {
      const began = performance.now();
      expect(inbox.expire(MANY + i + GAP_MS)).toHaveLength(1);
      expect(inbox.nextAt()).toBe(i === 39 ? Number.POSITIVE_INFINITY : MANY + i + 1 + GAP_MS);
      return performance.now() - began;
    });
    expect(median(tookMs)).toBeLessThan(1);
  });

  it("forgets them little by little once they are silent, and takes a new one all the while", () => {
    const inbox = crowded();
    expect(ask(inbox, "new", 0)).toBe("accepted");
    let { queues } = inbox;
    for (let call = 0; call < 200 && inbox.queues > 0; call++) {
      inbox.purge(MANY + LONG_MS);
      expect(queues - inbox.queues).toBeLessThanOrEqual(2048);
      ({ queues } = inbox);
    }
    expect(inbox.queues).toBe(0);
  });
});
