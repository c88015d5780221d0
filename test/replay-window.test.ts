import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FRESH_MS, ReplayWindow } from "../src/receiving/replay-window.js";

type Queue = readonly [source: string, queueId: string];

/** Two queues of one source, and one of each of two others. */
const A: Queue = ["02".repeat(33), "aa".repeat(32)];
const A2: Queue = ["02".repeat(33), "a2".repeat(32)];
const B: Queue = ["03".repeat(33), "bb".repeat(32)];
const C: Queue = [`02${"33".repeat(32)}`, "cc".repeat(32)];
const D: Queue = [`03${"44".repeat(32)}`, "dd".repeat(32)];

interface Message {
  readonly queue: Queue;
  readonly sequence: number;
  readonly timestamp: number;
}

const START = 1_700_000_000_000;

/** A receiver's clocks and its use of the window; beside it, a memory that forgets nothing. */
class World {
  readonly window: ReplayWindow;
  readonly accepted: Message[] = [];
  readonly offered: Message[] = [];
  wall = START;
  now = 5000;

  constructor(maxBlocks: number) {
    this.window = new ReplayWindow(maxBlocks);
  }

  isFresh({ timestamp }: Message): boolean {
    return Math.abs(this.wall - timestamp) <= FRESH_MS;
  }

  wasAccepted(message: Message): boolean {
    return this.accepted.some(
      ({ queue, sequence, timestamp }) =>
        queue === message.queue && sequence === message.sequence && timestamp === message.timestamp,
    );
  }

  /** What the receiver does with a message whose signature holds. */
  offer(message: Message): "accepted" | "old" | "seen" | "full" {
    this.offered.push(message);
    if (!this.isFresh(message) || message.timestamp <= this.window.floor) return "old";
    const verdict = this.window.check(...message.queue, message.sequence, true);
    if (verdict !== "new") return verdict;
    this.window.add(...message.queue, message.sequence, message.timestamp, this.wall, this.now);
    return "accepted";
  }

  pass(ms: number): void {
    this.wall += ms;
    this.now += ms;
  }
}

type Step =
  | { readonly do: "pass"; readonly ms: number }
  | { readonly do: "jump"; readonly ms: number }
  | { readonly do: "send"; readonly queue: Queue; readonly sequence: number; readonly ageS: number }
  | { readonly do: "copy"; readonly pick: number }
  | { readonly do: "purge" };

const anySequence = fc.oneof(fc.nat(70), fc.constantFrom(0x7fff_ffff, 0x8000_0000, 0xffff_ffe0, 0xffff_ffff));
const steady: readonly fc.Arbitrary<Step>[] = [
  fc.record({ do: fc.constant("pass"), ms: fc.oneof(fc.nat(2000), fc.nat(2 * FRESH_MS)) }),
  fc.record({
    do: fc.constant("send"),
    queue: fc.constantFrom(A, A2, B),
    sequence: anySequence,
    ageS: fc.oneof(fc.constantFrom(-120, 120), fc.integer({ min: -125, max: 125 })),
  }),
  fc.record({ do: fc.constant("copy"), pick: fc.nat() }),
  fc.record({ do: fc.constant("purge") }),
];
const jump: fc.Arbitrary<Step> = fc.record({
  do: fc.constant("jump"),
  ms: fc.oneof(fc.integer({ min: -2 * FRESH_MS, max: 2 * FRESH_MS }), fc.integer({ min: -1e8, max: 1e8 })),
});
const steadySteps: fc.Arbitrary<Step[]> = fc.array(fc.oneof(...steady), { maxLength: 120, size: "max" });
const wildSteps: fc.Arbitrary<Step[]> = fc.array(fc.oneof(...steady, jump), { maxLength: 120, size: "max" });

/** Runs the steps; `onOffer` is told of each message and what became of it. */
function run(
  world: World,
  steps: readonly Step[],
  onOffer: (message: Message, outcome: ReturnType<World["offer"]>) => void,
): void {
  const offer = (message: Message): void => {
    const outcome = world.offer(message);
    onOffer(message, outcome);
    if (outcome === "accepted") world.accepted.push(message);
  };
  for (const step of steps) {
    if (step.do === "pass") world.pass(step.ms);
    else if (step.do === "jump") world.wall += step.ms;
    else if (step.do === "purge") world.window.purge(world.wall, world.now);
    else if (step.do === "copy") {
      const copy = world.offered[step.pick % Math.max(world.offered.length, 1)];
      if (copy !== undefined) offer(copy);
    } else {
      const timestamp = (Math.floor(world.wall / 1000) - step.ageS) * 1000;
      offer({ queue: step.queue, sequence: step.sequence, timestamp });
    }
  }
}

describe("a replay window", () => {
  it("accepts no copy ever again, wherever the wall clock jumps", () => {
    fc.assert(
      fc.property(wildSteps, (steps) => {
        const world = new World(1000);
        run(world, steps, (message, outcome) => {
          if (outcome === "accepted") expect(world.wasAccepted(message)).toBe(false);
        });
        // And once more at the end, with the clock where each was fresh.
        for (const message of world.accepted) {
          world.wall = message.timestamp;
          world.window.purge(world.wall, world.now);
          expect(world.offer(message)).not.toBe("accepted");
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("under a steady clock accepts a fresh message exactly when its place was not taken by a fresh one", () => {
    fc.assert(
      fc.property(steadySteps, (steps) => {
        const world = new World(1000);
        run(world, steps, (message, outcome) => {
          const samePlace = world.accepted.filter(
            ({ queue, sequence }) => queue === message.queue && sequence === message.sequence,
          );
          if (!world.isFresh(message)) expect(outcome).toBe("old");
          else if (samePlace.some((earlier) => world.isFresh(earlier))) expect(outcome).toBe("seen");
          else if (samePlace.length === 0) expect(outcome).toBe("accepted");
        });
      }),
      { numRuns: 1000 },
    );
  });

  it("holds no more blocks than it may, and accepts nothing twice when it is full", () => {
    fc.assert(
      fc.property(wildSteps, fc.integer({ min: 1, max: 9 }), (steps, maxBlocks) => {
        const world = new World(maxBlocks);
        run(world, steps, (message, outcome) => {
          expect(world.window.size).toBeLessThanOrEqual(maxBlocks);
          if (outcome === "accepted") expect(world.wasAccepted(message)).toBe(false);
        });
      }),
      { numRuns: 500 },
    );
  });
});

describe("the room of a window", () => {
  it("is shared: a quarter for each source at most, three quarters for strangers together", () => {
    const anyMessages = fc.array(
      fc.record({
        queue: fc.constantFrom(A, A2, B, C, D),
        sequence: fc.nat(32 * 12),
        isKnown: fc.boolean(),
      }),
      { maxLength: 80, size: "max" },
    );
    fc.assert(
      fc.property(anyMessages, fc.integer({ min: 1, max: 24 }), (messages, maxBlocks) => {
        const window = new ReplayWindow(maxBlocks);
        const accepted = new Set<string>();
        /** Each block that was begun, with its source. */
        const blocks = new Map<string, string>();
        for (const { queue, sequence, isKnown } of messages) {
          const [source, queueId] = queue;
          const message = `${source} ${queueId} ${sequence}`;
          const block = `${source} ${queueId} ${Math.floor(sequence / 32)}`;
          const own = [...blocks.values()].filter((other) => other === source).length;
          const isRoom = own < maxBlocks / 4 && blocks.size < (isKnown ? maxBlocks : (maxBlocks * 3) / 4);
          const expected = accepted.has(message) ? "seen" : blocks.has(block) || isRoom ? "new" : "full";
          expect(window.check(...queue, sequence, isKnown)).toBe(expected);
          if (expected !== "new") continue;
          window.add(...queue, sequence, START, START, 0);
          accepted.add(message);
          blocks.set(block, source);
          expect(window.size).toBe(blocks.size);
        }
      }),
      { numRuns: 500 },
    );
  });

  it("is left for a peer that is known when strangers have taken theirs", () => {
    const window = new ReplayWindow(4);
    for (const queue of [A, B, C]) window.add(...queue, 0, START, START, 0);
    expect(window.check(...D, 0, false)).toBe("full");
    expect(window.check(...D, 0, true)).toBe("new");
  });

  it("is not taken back: when it is full, it knows the old ones and takes their neighbours", () => {
    const window = new ReplayWindow(4);
    window.add(...A, 40, START, START, 0);
    expect(window.check(...A, 0, true)).toBe("full");
    expect(window.check(...A, 64, true)).toBe("full");
    expect(window.check(...A2, 40, true)).toBe("full");
    expect(window.check(...A, 40, true)).toBe("seen");
    expect(window.check(...A, 32, true)).toBe("new");
    expect(window.check(...A, 63, true)).toBe("new");
  });

  it("is there again when what it held has gone stale, for the source too", () => {
    const window = new ReplayWindow(1);
    window.add(...A, 0, START, START, 0);
    window.purge(START + FRESH_MS, FRESH_MS);
    expect(window.check(...B, 0, true)).toBe("full");
    window.purge(START + FRESH_MS + 1, FRESH_MS + 1);
    expect(window.size).toBe(0);
    expect(window.check(...B, 0, true)).toBe("new");
    expect(window.check(...A2, 0, true)).toBe("new");
  });
});

describe("forgetting", () => {
  it("does not come from looking", () => {
    const window = new ReplayWindow(10);
    expect(window.check(...A, 1, true)).toBe("new");
    expect(window.check(...A, 1, true)).toBe("new");
    expect(window.size).toBe(0);
  });

  it("needs the time to have really passed, when the wall clock has jumped ahead", () => {
    const window = new ReplayWindow(10);
    window.add(...A, 1, START, START, 0);
    window.purge(START + 10 * FRESH_MS, FRESH_MS - 1);
    expect(window.check(...A, 1, true)).toBe("seen");
  });

  it("needs the wall clock to say so too, when it was set back", () => {
    const window = new ReplayWindow(10);
    window.add(...A, 1, START, START, 0);
    window.purge(START + FRESH_MS, 10 * FRESH_MS);
    expect(window.check(...A, 1, true)).toBe("seen");
  });

  it("needs that for the latest of a block, which may be from ahead", () => {
    const window = new ReplayWindow(10);
    window.add(...A, 1, START + FRESH_MS, START, 0);
    window.add(...A, 2, START, START, 0);
    window.purge(START + 10 * FRESH_MS, 2 * FRESH_MS - 1);
    expect(window.check(...A, 1, true)).toBe("seen");
    window.purge(START + 10 * FRESH_MS, 2 * FRESH_MS);
    expect(window.size).toBe(0);
  });

  it("waits longer for a message from ahead", () => {
    const window = new ReplayWindow(10);
    window.add(...A, 1, START + FRESH_MS, START, 0);
    window.purge(START + 2 * FRESH_MS, 2 * FRESH_MS);
    expect(window.check(...A, 1, true)).toBe("seen");
    window.purge(START + 2 * FRESH_MS + 1, 2 * FRESH_MS + 1);
    expect(window.size).toBe(0);
  });

  it("leaves the latest forgotten timestamp as a floor that only rises", () => {
    const window = new ReplayWindow(10);
    expect(window.floor).toBe(Number.NEGATIVE_INFINITY);
    window.add(...A, 1, START + 5000, START, 0);
    window.add(...A, 2, START, START, 0);
    window.add(...B, 1, START + 1000, START, 0);
    window.purge(START + FRESH_MS + 6000, FRESH_MS + 6000);
    expect(window.floor).toBe(START + 5000);
    window.add(...C, 1, START - 1000, START - 1000, FRESH_MS + 6000);
    window.purge(START + FRESH_MS, 3 * FRESH_MS);
    expect(window.size).toBe(0);
    expect(window.floor).toBe(START + 5000);
  });

  it("leaves nothing behind after a long silence", () => {
    fc.assert(
      fc.property(steadySteps, (steps) => {
        const world = new World(1000);
        run(world, steps, () => {});
        world.pass(2 * FRESH_MS + 6000);
        world.window.purge(world.wall, world.now);
        expect(world.window.size).toBe(0);
      }),
    );
  });
});

describe("a window that is full", () => {
  const MANY = 65_536;

  it("forgets little by little, and has room again with the first call", () => {
    const window = new ReplayWindow(MANY);
    for (let i = 0; i < MANY; i++) window.add(String(i % 4), String(i), 0, START, START, 0);
    const longAfter = FRESH_MS + 1;
    expect(window.check(...A, 0, true)).toBe("full");
    let { size } = window;
    for (let call = 0; call < 100 && window.size > 0; call++) {
      window.purge(START + longAfter, longAfter);
      expect(size - window.size).toBeLessThanOrEqual(2048);
      ({ size } = window);
      expect(window.check(...A, 0, true)).toBe("new");
    }
    expect(window.size).toBe(0);
  });

  it("finds what has gone stale behind what has not", () => {
    const window = new ReplayWindow(MANY);
    for (let i = 0; i < MANY; i++) {
      const timestamp = i < MANY / 2 ? START + FRESH_MS : START;
      window.add(String(i % 4), String(i), 0, timestamp, START, 0);
    }
    for (let call = 0; call < 100; call++) window.purge(START + FRESH_MS + 1, FRESH_MS + 1);
    expect(window.size).toBe(MANY / 2);
    expect(window.floor).toBe(START);
  });
});

describe("a window that is far from full", () => {
  it("keeps for two hours more, so that a clock that was an hour ahead may be set right", () => {
    const window = new ReplayWindow(100, 10);
    const hour = 3_600_000;
    window.add("a", "b", 0, hour, hour, 0);
    window.purge(hour + 600_000, 600_000);
    expect(window.floor).toBe(Number.NEGATIVE_INFINITY);
    expect(window.check("a", "b", 0, true)).toBe("seen");
    window.purge(3 * hour, 3 * hour);
    expect(window.size).toBe(0);
    expect(window.floor).toBe(hour);
  });
});

describe("what it knows of a queue", () => {
  it("is the number behind the highest one that was accepted, until it is forgotten", () => {
    const window = new ReplayWindow(100);
    expect(window.passed(...A)).toBe(0);
    for (const sequence of [0, 70, 3]) window.add(...A, sequence, START, START, 0);
    window.add(...A2, 5, START, START, 0);
    expect([window.passed(...A), window.passed(...A2), window.passed(...B)]).toEqual([71, 6, 0]);
    window.purge(START + FRESH_MS + 1, FRESH_MS + 1);
    expect([window.passed(...A), window.passed(...A2), window.size]).toEqual([0, 0, 0]);
  });
});
