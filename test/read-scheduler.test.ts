import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Reader, ReadScheduler } from "../src/brokers/read-scheduler.js";
import { platform } from "../src/platform/node.js";

let now = 0;
/** What waits for a later turn of the event loop. */
let turns: (() => void)[] = [];

/** One turn of the event loop, which takes no time itself. */
function turn(): void {
  const due = turns;
  turns = [];
  for (const run of due) run();
}

/** Turns, and timers where there is nothing else, for so long. */
async function pass(ms: number): Promise<void> {
  for (const end = now + ms; now < end; ) {
    turn();
    now += 0.2;
    await vi.advanceTimersByTimeAsync(0.2);
  }
}

/** Somebody with packets of which each takes so long. */
class Source implements Reader {
  left = 0;
  done = 0;
  readonly ms: number;
  /** How long it read at a stretch, ms. */
  longest = 0;

  constructor(ms: number) {
    this.ms = ms;
  }

  read(mayGoOn: () => boolean): boolean {
    const startedAt = now;
    do {
      if (this.left === 0) return false;
      this.left--;
      this.done++;
      now += this.ms;
    } while (mayGoOn());
    this.longest = Math.max(this.longest, now - startedAt);
    return this.left > 0;
  }
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  now = 1000;
  turns = [];
  vi.spyOn(performance, "now").mockImplementation(() => now);
  vi.spyOn(platform, "nextTurn").mockImplementation((run) => void turns.push(run));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.useRealTimers();
});

describe("what comes in", () => {
  it("is read at once", () => {
    const source = new Source(0.01);
    source.left = 10;
    expect(new ReadScheduler().serve(source, 1000)).toBe(true);
    expect(source.left).toBe(0);
  });

  it("is read for 5 ms in a turn of the event loop, over all connections", async () => {
    const scheduler = new ReadScheduler();
    const sources = Array.from({ length: 10 }, () => new Source(0.1));
    const startedAt = now;
    for (const source of sources) {
      source.left = 30;
      scheduler.serve(source, 0);
    }
    expect(now - startedAt).toBeLessThan(5.2);
    // The rest has its turns: 1 ms each, one connection in each turn of the event loop.
    while (sources.some(({ left }) => left > 0)) {
      const before = now;
      turn();
      expect(now - before).toBeLessThan(1.2);
    }
    expect(sources.map(({ done }) => done)).toEqual(sources.map(() => 30));
  });

  it("is read in its order: nobody comes twice while another waits", async () => {
    const scheduler = new ReadScheduler();
    const [one, two] = [new Source(0.1), new Source(0.1)];
    one.left = two.left = 1000;
    expect(scheduler.serve(one, 0)).toBe(false);
    expect(scheduler.serve(two, 0)).toBe(false);
    for (let i = 0; i < 100; i++) turn();
    expect(Math.abs(one.done - two.done)).toBeLessThan(65);
  });

  it("is read again by what serves it only once its turn has come", () => {
    const scheduler = new ReadScheduler();
    const source = new Source(1);
    source.left = 100;
    scheduler.serve(source, 0);
    const before = source.left;
    expect(scheduler.serve(source, 100)).toBe(false);
    expect(source.left).toBe(before);
  });

  it("is forgotten with its connection", () => {
    const scheduler = new ReadScheduler();
    const source = new Source(1);
    source.left = 100;
    scheduler.serve(source, 0);
    const before = source.left;
    scheduler.forget(source);
    for (let i = 0; i < 10; i++) turn();
    expect(source.left).toBe(before);
  });
});

describe("a flood", () => {
  it("gets 2 packets a millisecond for itself and 10 more for all, and holds up nobody who brings less", async () => {
    const scheduler = new ReadScheduler();
    const floods = Array.from({ length: 10 }, () => new Source(0.001));
    for (const flood of floods) {
      flood.left = 1e9;
      scheduler.serve(flood, 0);
    }
    const quiet = new Source(0.001);
    await pass(3000);
    const before = floods.reduce((sum, { done }) => sum + done, 0);
    let late = 0;
    for (let i = 0; i < 1000; i++) {
      await pass(1);
      quiet.left = 1;
      if (!scheduler.serve(quiet, 100)) late++;
      for (let patience = 20; quiet.left > 0 && patience > 0; patience--) turn();
      expect(quiet.left).toBe(0);
    }
    const perMs = (floods.reduce((sum, { done }) => sum + done, 0) - before) / 1000;
    expect(perMs).toBeGreaterThan(20);
    expect(perMs).toBeLessThan(33);
    expect(late).toBe(0);
  });

  it("pays for bytes as for packets: 1 kB as for one", async () => {
    const scheduler = new ReadScheduler();
    const flood = new Source(0.001);
    let read = 0;
    for (const end = now + 5000; now < end; ) {
      if (flood.left === 0) {
        flood.left = 1;
        read += 65_536;
        scheduler.serve(flood, 65_536);
      }
      turn();
      now += 0.2;
      await vi.advanceTimersByTimeAsync(0.2);
    }
    // 12 MB a second, and what it had saved up.
    expect(read / 5000).toBeGreaterThan(9000);
    expect(read / 5000).toBeLessThan(15_000);
  });

  it("has all of the thread that nobody else wants, for what is within its allowance", () => {
    const scheduler = new ReadScheduler();
    const source = new Source(0.01);
    source.left = 4000;
    const startedAt = now;
    scheduler.serve(source, 0);
    while (source.left > 0) turn();
    // 40 ms of work.
    expect(now - startedAt).toBeLessThan(41);
  });
});
