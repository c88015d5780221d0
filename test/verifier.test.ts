import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Verify } from "../src/platform/platform.js";
import { type Rank, Verifier } from "../src/receiving/verifier.js";
import { AppPacket, PACKET_OVERHEAD } from "../src/wire/packet.js";

/** A payload that looks like a packet; its signature is never looked at here. */
function payloadOf(source: number, number: number): Uint8Array {
  const payload = new Uint8Array(PACKET_OVERHEAD + 4);
  payload[0] = 2;
  payload[32] = source;
  payload[141] = 1;
  new DataView(payload.buffer).setUint32(PACKET_OVERHEAD, number);
  return payload;
}

function packetOf(payload: Uint8Array): AppPacket {
  const packet = AppPacket.parse(payload);
  if (packet === null) throw new Error("not a packet");
  return packet;
}

/** A verify function whose answers are given by hand, in the order of its calls. */
class Oracle {
  /** The source and the number of each call. */
  readonly calls: string[] = [];
  readonly #open: ((valid: boolean) => void)[] = [];
  running = 0;
  mostRunning = 0;

  readonly verify: Verify = (_, part, publicKey) => {
    this.running++;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    const number = new DataView(part.buffer, part.byteOffset + part.byteLength - 4).getUint32(0);
    this.calls.push(`${publicKey[32]}/${number}`);
    return new Promise((resolve) => {
      this.#open.push((valid) => {
        this.running--;
        resolve(valid);
      });
    });
  };

  async answer(valid = true): Promise<void> {
    this.#open.shift()?.(valid);
    await turn();
  }

  async answerAll(): Promise<void> {
    while (this.#open.length > 0) await this.answer();
  }
}

/** Lets everything happen that needs no further answer, also what goes on only after everything else had its turn. */
async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** One packet of a known peer, unless it is said to be of another rank. */
function check(
  verifier: Verifier,
  source: number,
  number: number,
  rank: Rank = 1,
): Promise<boolean | "full"> {
  const payload = payloadOf(source, number);
  return verifier.verify(packetOf(payload), payload, rank, "broker", async (valid) => valid);
}

function range(count: number): number[] {
  return [...Array(count).keys()];
}

describe("a verifier", () => {
  it("says what the verify function says", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const results = [check(verifier, 1, 0), check(verifier, 1, 1)];
    await oracle.answer(true);
    await oracle.answer(false);
    expect(await Promise.all(results)).toEqual([true, false]);
  });

  it("runs four of the first rank at once, and all in the end", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const results = range(50).map((number) => check(verifier, number % 3, number, 0));
    await turn();
    for (let answered = 0; answered < 20; answered++) {
      expect(oracle.running).toBe(4);
      await oracle.answer();
    }
    await oracle.answerAll();
    expect(await Promise.all(results)).toEqual(range(50).map(() => true));
    expect(oracle.mostRunning).toBe(4);
  });

  it("verifies equal bytes once, whether the first are done or not", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const results = [check(verifier, 1, 0), check(verifier, 1, 0)];
    await oracle.answer(false);
    results.push(check(verifier, 1, 0), check(verifier, 1, 1));
    await oracle.answer(true);
    expect(await Promise.all(results)).toEqual([false, false, false, true]);
    expect(oracle.calls).toEqual(["1/0", "1/1"]);
  });

  it("keeps the results of the last bytes, not of all", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    for (const number of range(600)) {
      void check(verifier, 1, number);
      await oracle.answerAll();
    }
    const results = [check(verifier, 1, 599), check(verifier, 1, 0)];
    await oracle.answerAll();
    expect(await Promise.all(results)).toEqual([true, true]);
    expect(oracle.calls.filter((call) => call === "1/599")).toHaveLength(1);
    expect(oracle.calls.filter((call) => call === "1/0")).toHaveLength(2);
  });

  it("lets the sources take turns, so that a flood of one delays another by one round", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    for (const number of range(100)) void check(verifier, 1, number, 2);
    for (const number of range(3)) void check(verifier, 2, number, 2);
    for (const number of range(3)) void check(verifier, 3, number, 2);
    await turn();
    await oracle.answerAll();
    expect(oracle.calls).toHaveLength(106);
    const started = oracle.calls.slice(3, 12).map((call) => call.split("/")[0]);
    for (const source of ["1", "2", "3"]) {
      expect(started.filter((other) => other === source)).toHaveLength(3);
    }
    for (const source of ["1", "2", "3"]) {
      const numbers = oracle.calls.filter((call) => call.startsWith(`${source}/`));
      expect(numbers).toEqual(range(numbers.length).map((number) => `${source}/${number}`));
    }
  });

  it("lets the oldest go of a source of which too much waits, takes its newest first, and is not busy for others", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const flood = range(1000).map((number) => check(verifier, 1, number));
    const other = check(verifier, 2, 0);
    await turn();
    await oracle.answerAll();
    const results = await Promise.all(flood);
    // Three run, 256 wait.
    expect(results.filter((result) => result === "full")).toHaveLength(1000 - 259);
    expect([...results.slice(0, 3), ...results.slice(-256)]).toEqual(range(259).map(() => true));
    expect(await other).toBe(true);
    const order = oracle.calls.filter((call) => call.startsWith("1/")).map((call) => Number(call.slice(2)));
    expect(order).toEqual([0, 1, 2, ...range(256).map((i) => 999 - i)]);
  });

  it("is busy for who waits longest when too much waits in all, and checks the newest source first", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const results = range(1500).map((i) => {
      const payload = payloadOf(i & 255, i);
      payload[31] = i >>> 8;
      return verifier.verify(packetOf(payload), payload, 2, "broker", async (valid) => valid);
    });
    await turn();
    await oracle.answerAll();
    const taken = (await Promise.all(results)).flatMap((result, i) => (result === true ? [i] : []));
    expect(taken).toEqual([0, 1, 2, ...range(1024).map((i) => 476 + i)]);
    const order = oracle.calls.map((call) => Number(call.split("/")[1]));
    expect(order).toEqual([0, 1, 2, ...range(1024).map((i) => 1499 - i)]);
  });

  it("checks the newest first of more than 8 that only claim to be of a known peer, each way for itself", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    for (const number of range(20)) void check(verifier, 1, number);
    const payload = payloadOf(1, 100);
    const other = verifier.verify(packetOf(payload), payload, 1, "another broker", async (valid) => valid);
    for (const number of range(20)) void check(verifier, 1, 20 + number);
    await oracle.answerAll();
    expect(await other).toBe(true);
    // The ways take turns.
    expect(oracle.calls.slice(0, 7)).toEqual(["1/0", "1/1", "1/2", "1/39", "1/100", "1/38", "1/37"]);
  });

  it("is in order again once nothing waits", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    for (const number of range(1000)) void check(verifier, 1, number, 2);
    await oracle.answerAll();
    oracle.calls.length = 0;
    for (const number of range(20)) void check(verifier, 1, number + 2000, 2);
    await oracle.answerAll();
    expect(oracle.calls).toEqual(range(20).map((i) => `1/${2000 + i}`));
  });

  it("lets everything else have its turn, while results that are known follow each other", async () => {
    const verifier = new Verifier(() => true);
    let used = 0;
    const use = async (): Promise<void> => {
      used++;
      // As much as opening a sealed message takes.
      const until = performance.now() + 0.3;
      while (performance.now() < until);
    };
    const all = range(250).map((number) => {
      const payload = payloadOf(1, number);
      return verifier.verify(packetOf(payload), payload, 2, "broker", use);
    });
    const between: number[] = [];
    while (used < 250) {
      const before = used;
      await turn();
      between.push(used - before);
    }
    await Promise.all(all);
    // 4 ms of 0.3 ms each, and those that had begun.
    expect(Math.max(...between)).toBeLessThan(60);
    expect(between.length).toBeGreaterThan(5);
  });

  it("lets copies wait with what waits already, up to 32, in no room of their own", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    // Three run, 256 wait; of each of these comes another copy.
    const numbers = range(259).flatMap((number) => (number < 3 ? [number] : [number, number]));
    const results = numbers.map((number) => check(verifier, 1, number));
    const copies = range(31).map(() => check(verifier, 1, 258));
    expect(await copies.at(-1)).toBe("full");
    // One more, and the oldest gives way with its copy.
    const newest = check(verifier, 1, 259);
    expect(await Promise.all(results.slice(3, 5))).toEqual(["full", "full"]);
    await oracle.answerAll();
    const others = [...results.slice(0, 3), ...results.slice(5), ...copies.slice(0, -1), newest];
    expect(new Set(await Promise.all(others))).toEqual(new Set([true]));
    expect(oracle.calls.length).toBe(259);
  });

  it("takes a copy in a crowd for what came last", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    for (const number of range(300)) void check(verifier, 1, number);
    void check(verifier, 1, 100);
    await oracle.answerAll();
    expect(oracle.calls.slice(3, 6)).toEqual(["1/100", "1/299", "1/298"]);
  });

  it("is busy for everybody when too much waits in all", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const results = range(40).flatMap((source) =>
      range(200).map((number) => check(verifier, source, number)),
    );
    await turn();
    await oracle.answerAll();
    const busy = (await Promise.all(results)).filter((result) => result === "full");
    expect(busy).toHaveLength(8000 - 3 - 1024);
  });

  it("verifies what it was too busy for when it comes again", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const results = range(260).map((number) => check(verifier, 1, number));
    // The oldest that waits.
    expect(await results[3]).toBe("full");
    await oracle.answerAll();
    const again = check(verifier, 1, 3);
    await oracle.answerAll();
    expect(await again).toBe(true);
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("no such key");
      },
    ],
    ["rejects", () => Promise.reject(new Error("no such key"))],
    ["returns nothing", () => undefined],
    ["returns something that is not true", () => 1],
  ])("takes it for no signature when the verify function %s, and goes on", async (_, verify) => {
    // A caller without types may pass anything.
    const verifier = new Verifier(verify as Verify);
    const results = await Promise.all(range(10).map((number) => check(verifier, 1, number)));
    expect(results).toEqual(range(10).map(() => false));
  });

  it("says that the verify function failed", async () => {
    const failed: unknown[] = [];
    const verify = (): boolean => {
      throw "no such key";
    };
    const verifier = new Verifier(verify, (error) => failed.push(error));
    expect(await check(verifier, 1, 0)).toBe(false);
    expect(failed).toEqual(["no such key"]);
  });

  it("lets the ranks come one after the other, and keeps a thread for the first", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const strangers = range(8).map((i) => check(verifier, 100 + i, i, 2));
    await turn();
    expect(oracle.mostRunning).toBe(3);
    const known = [check(verifier, 1, 0), check(verifier, 1, 1)];
    await turn();
    expect(oracle.mostRunning).toBe(3);
    await oracle.answer();
    expect(oracle.calls.at(-1)).toBe("1/0");
    const first = [check(verifier, 2, 0, 0), check(verifier, 2, 1, 0)];
    await turn();
    expect(oracle.mostRunning).toBe(4);
    expect(oracle.calls.at(-1)).toBe("2/0");
    await oracle.answer();
    expect(oracle.calls.at(-1)).toBe("2/1");
    while ((await settled([...strangers, ...known, ...first])) === undefined) await oracle.answerAll();
    expect(await Promise.all([...strangers, ...known, ...first])).not.toContain("full");
  });

  it("takes a copy's place in the line for its own, and no thread", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const copies = range(3).map(() => check(verifier, 1, 0, 0));
    const others = range(3).map((number) => check(verifier, 1, 1 + number, 0));
    await turn();
    expect(oracle.calls).toEqual(["1/0", "1/1", "1/2", "1/3"]);
    await oracle.answerAll();
    expect(await Promise.all([...copies, ...others])).toEqual(range(6).map(() => true));
  });

  it("says what comes of it, and passes on what fails", async () => {
    const payload = payloadOf(1, 0);
    const verifier = new Verifier(() => true);
    expect(
      await verifier.verify(packetOf(payload), payload, 0, "broker", async (valid) => `it is ${valid}`),
    ).toBe("it is true");
    const failing = verifier.verify(packetOf(payload), payload, 2, "broker", async () => {
      throw new Error("no clock");
    });
    await expect(failing).rejects.toThrow("no clock");
    expect(await check(verifier, 2, 0, 2)).toBe(true);
  });
});

describe("a verifier whose time passes by hand", () => {
  let now = 0;

  beforeEach(() => {
    now = 1000;
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    vi.stubGlobal("performance", { now: () => now });
  });

  afterEach(() => {
    vi.unstubAllGlobals();
    vi.useRealTimers();
  });

  async function pass(ms: number): Promise<void> {
    now += ms;
    await vi.advanceTimersByTimeAsync(ms);
  }

  /** A flood of strangers, each check taking 1 ms, for so long; returns how many were checked. */
  async function flood(verifier: Verifier, oracle: Oracle, ms: number, each: () => void): Promise<number> {
    const before = oracle.calls.length;
    for (let at = 0; at < ms; at++) {
      for (const i of range(5)) void check(verifier, i, 1e6 + now * 5 + i, 2);
      each();
      const { running } = oracle;
      await pass(1);
      for (let i = 0; i < running; i++) await oracle.answer();
    }
    return oracle.calls.length - before;
  }

  it("gives strangers a quarter of the time while a conversation goes on, and all of it otherwise", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    // Three at a time.
    expect(await flood(verifier, oracle, 400, () => {})).toBeGreaterThanOrEqual(1200);
    let sent = 0;
    const talk = (): void => {
      if (now % 100 === 0) void check(verifier, 200, sent++, 0);
    };
    const checked = await flood(verifier, oracle, 400, talk);
    expect(sent).toBe(4);
    expect(checked - sent).toBeGreaterThanOrEqual(250);
    expect(checked - sent).toBeLessThanOrEqual(310);
    await flood(verifier, oracle, 1000, () => {});
    expect(await flood(verifier, oracle, 400, () => {})).toBeGreaterThanOrEqual(1200);
  });

  it("checks what waits after the rest, with nothing new to wake it, unless it is closed", async () => {
    for (const closed of [false, true]) {
      const oracle = new Oracle();
      const verifier = new Verifier(oracle.verify);
      void check(verifier, 200, 0, 0);
      for (const i of range(4)) void check(verifier, i, i, 2);
      await pass(10);
      await oracle.answerAll();
      expect(oracle.calls).toHaveLength(4);
      if (closed) verifier.close();
      expect(vi.getTimerCount()).toBe(closed ? 0 : 1);
      await pass(29);
      expect(oracle.calls).toHaveLength(4);
      await pass(2);
      expect(oracle.calls).toHaveLength(closed ? 4 : 5);
      // A check that goes on has a timer.
      await oracle.answerAll();
    }
  });

  it("rests for no longer where a check took long, as on a machine that is busy with something else", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    void check(verifier, 200, 0, 0);
    for (const i of range(4)) void check(verifier, i, i, 2);
    await pass(900);
    await oracle.answerAll();
    expect(oracle.calls).toHaveLength(4);
    // Three times 20 ms, not three times 900: what waits may have to be shown before what goes on.
    await pass(62);
    expect(oracle.calls).toHaveLength(5);
    await oracle.answerAll();
  });

  it("gives up checks that hang, so that others have their places, and asks again when they come again", async () => {
    const oracle = new Oracle();
    const failed: unknown[] = [];
    const verifier = new Verifier(oracle.verify, (error) => failed.push(error));
    const hung = range(4).map((number) => check(verifier, 1, number, 0));
    const behind = range(4).map((number) => check(verifier, 2, number, 0));
    await pass(4999);
    expect(oracle.calls).toHaveLength(4);
    await pass(1);
    expect(await Promise.all(hung)).toEqual(["full", "full", "full", "full"]);
    expect(failed).toEqual(
      range(4).map(() => expect.objectContaining({ message: "no answer within 5000 ms" })),
    );
    expect(oracle.calls).toHaveLength(8);
    await oracle.answerAll();
    expect(await Promise.all(behind)).toEqual([true, true, true, true]);
    const again = check(verifier, 1, 0, 0);
    await oracle.answerAll();
    expect(await again).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits for no check any more once it is closed", async () => {
    const oracle = new Oracle();
    const failed: unknown[] = [];
    const verifier = new Verifier(oracle.verify, (error) => failed.push(error));
    void check(verifier, 1, 0, 0);
    expect(vi.getTimerCount()).toBe(1);
    verifier.close();
    expect(vi.getTimerCount()).toBe(0);
    await pass(6000);
    expect(failed).toEqual([]);
  });

  it("checks nothing that waits once it is closed", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    for (const i of range(20)) void check(verifier, i % 5, i, (i % 3) as Rank);
    const begun = oracle.calls.length;
    verifier.close();
    await oracle.answerAll();
    expect(oracle.calls).toHaveLength(begun);
  });

  it("counts what comes of a check as time that it took", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    void check(verifier, 200, 0, 0);
    const payload = payloadOf(1, 0);
    void verifier.verify(packetOf(payload), payload, 2, "broker", async () => {
      now += 20;
    });
    await oracle.answerAll();
    void check(verifier, 1, 1, 2);
    await pass(59);
    expect(oracle.calls).toHaveLength(2);
    await pass(2);
    expect(oracle.calls).toHaveLength(3);
  });
});

/** The results, once all are there. */
function settled<T>(promises: readonly Promise<T>[]): Promise<T[] | undefined> {
  return Promise.race([Promise.all(promises), turn().then(() => undefined)]);
}
