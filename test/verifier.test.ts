import { describe, expect, it } from "vitest";
import { AppPacket, PACKET_OVERHEAD } from "../src/packet.js";
import type { Verify } from "../src/platform/platform.js";
import { type Verification, Verifier } from "../src/verifier.js";

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

/** Lets everything happen that needs no further answer. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** One packet of a known peer, unless it is said to be a stranger's. */
function check(verifier: Verifier, source: number, number: number, isKnown = true): Promise<Verification> {
  const payload = payloadOf(source, number);
  return verifier.verify(packetOf(payload), payload, isKnown);
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

  it("runs four at once, and all in the end", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const results = range(50).map((number) => check(verifier, number % 3, number));
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
    for (const number of range(100)) void check(verifier, 1, number);
    for (const number of range(3)) void check(verifier, 2, number);
    for (const number of range(3)) void check(verifier, 3, number);
    await turn();
    await oracle.answerAll();
    expect(oracle.calls).toHaveLength(106);
    const started = oracle.calls.slice(4, 13).map((call) => call.split("/")[0]);
    for (const source of ["1", "2", "3"]) {
      expect(started.filter((other) => other === source)).toHaveLength(3);
    }
    for (const source of ["1", "2", "3"]) {
      const numbers = oracle.calls.filter((call) => call.startsWith(`${source}/`));
      expect(numbers).toEqual(range(numbers.length).map((number) => `${source}/${number}`));
    }
  });

  it("is busy for a source of which too much waits, and not for others", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const flood = range(1000).map((number) => check(verifier, 1, number));
    const other = check(verifier, 2, 0);
    await turn();
    await oracle.answerAll();
    const results = await Promise.all(flood);
    // Four run, 256 wait.
    expect(results.filter((result) => result === "busy")).toHaveLength(1000 - 260);
    expect(results.slice(0, 260)).toEqual(range(260).map(() => true));
    expect(await other).toBe(true);
  });

  it("is busy for everybody when too much waits in all", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const results = range(40).flatMap((source) =>
      range(200).map((number) => check(verifier, source, number)),
    );
    await turn();
    await oracle.answerAll();
    const busy = (await Promise.all(results)).filter((result) => result === "busy");
    expect(busy).toHaveLength(8000 - 4 - 4096);
  });

  it("verifies what it was too busy for when it comes again", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    for (const number of range(260)) void check(verifier, 1, number);
    expect(await check(verifier, 1, 300)).toBe("busy");
    await oracle.answerAll();
    const again = check(verifier, 1, 300);
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

  it("lets known peers come before strangers, who leave a thread free for them", async () => {
    const oracle = new Oracle();
    const verifier = new Verifier(oracle.verify);
    const strangers = Array.from({ length: 8 }, (_, i) => check(verifier, 100 + i, i, false));
    await turn();
    expect(oracle.mostRunning).toBe(3);
    const known = [check(verifier, 1, 0), check(verifier, 1, 1)];
    await turn();
    expect(oracle.mostRunning).toBe(4);
    expect(oracle.calls.at(-1)).toBe("1/0");
    await oracle.answer();
    expect(oracle.calls.at(-1)).toBe("1/1");
    await oracle.answerAll();
    expect(await Promise.all([...strangers, ...known])).not.toContain("busy");
  });
});
