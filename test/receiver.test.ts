import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Identity, Keypair } from "../src/index.js";
import { AppPacket, MessageType } from "../src/wire/packet.js";
import { seal } from "../src/wire/seal.js";
import { type Bench, type BenchOptions, makeBench, START } from "./strangers/receiving.js";

const ann = Keypair.generate();
const ben = Keypair.generate();
const QUEUE = "ab".repeat(32);

/** Ben, with signatures that nobody looks at here, made at once. */
const cheapBen: Identity = {
  publicKey: ben.publicKey,
  sign: () => new Uint8Array(64),
  sharedSecret: (publicKey) => ben.sharedSecret(publicKey),
};

/** Ann, likewise. */
const cheapAnn: Identity = { publicKey: ann.publicKey, sign: () => new Uint8Array(64) };

/** A receiver whose application's functions are the test's, and what was told of them. */
async function benchOf(options: BenchOptions = {}): Promise<{ bench: Bench; failed: [string, unknown][] }> {
  const failed: [string, unknown][] = [];
  const bench = await makeBench(cheapBen, {
    verify: () => true,
    onFailed: (name, error) => failed.push([name, error]),
    ...options,
  });
  return { bench, failed };
}

interface What {
  readonly type?: MessageType;
  readonly sealed?: boolean;
  /** When it was signed, ms. */
  readonly at?: number;
  /** Another queue. */
  readonly queue?: number;
  /** Instead of Ann. */
  readonly by?: Identity;
}

/** Somebody else, whose signatures nobody looks at. */
function somebody(number: number): Identity {
  return { publicKey: new Uint8Array(33).fill(number).fill(2, 0, 1), sign: () => new Uint8Array(64) };
}

function payloadOf(
  sequence: number,
  { type = MessageType.Message, sealed, at = START, queue, by = cheapAnn }: What = {},
): Promise<Uint8Array> {
  const queueId = queue === undefined ? QUEUE : queue.toString(16).padStart(64, "0");
  const text = new TextEncoder().encode(`message ${sequence}`);
  const source = Buffer.from(by.publicKey).toString("hex");
  const context = { source, destination: ben.publicKeyHex, queueId, sequence };
  const message = sealed ? seal(text, context) : text;
  return AppPacket.pack({ queueId, sequence, timestamp: Math.floor(at / 1000), type, message }, by);
}

async function receive(bench: Bench, sequence: number, what?: What): Promise<void> {
  await bench.receiver.receive(bench.slot, await payloadOf(sequence, what));
}

/** Lets everything happen that waits for nothing else. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

describe("a wall clock that fails once", () => {
  const ways: [string, () => number][] = [
    [
      "throws",
      () => {
        throw new Error("no time");
      },
    ],
  ];

  it.each(ways)("(%s) loses nothing that was acknowledged, whichever look it is", async (_, fail) => {
    for (const sealed of [false, true]) {
      for (let bad = 0; bad < 6; bad++) {
        let looks = 0;
        const shown: number[] = [];
        const acknowledged: number[] = [];
        const { bench, failed } = await benchOf({
          wallNow: () => (looks++ === bad ? fail() : START),
          onAccepted: (messages) => shown.push(...messages.map(({ packet }) => packet.sequence)),
          onPublish: (_topic, payload) => acknowledged.push(new DataView(payload.buffer).getUint32(129)),
        });
        for (const sequence of [0, 1, 2]) {
          await receive(bench, sequence, { sealed });
          await turn();
          // Its sender has no ACK, and sends it again.
          if (!acknowledged.includes(sequence)) await receive(bench, sequence, { sealed });
          await turn();
        }
        expect([shown, acknowledged], `look ${bad}, sealed ${sealed}`).toEqual([
          [0, 1, 2],
          [0, 1, 2],
        ]);
        const failures = bad < looks ? 1 : 0;
        expect(failed.map(([name]) => name)).toEqual(Array(failures).fill("getTime"));
        expect(bench.counts.dropped.full ?? 0).toBe(failures);
      }
    }
  });

  it("is looked at once for a message or a probe", async () => {
    let looks = 0;
    const wallNow = (): number => {
      looks++;
      return START;
    };
    const { bench } = await benchOf({ wallNow });
    for (const [sequence, what] of [{}, { sealed: true }, { type: MessageType.Probe }].entries()) {
      await receive(bench, sequence, what);
      await turn();
      expect([looks, bench.counts.published]).toEqual([sequence + 1, sequence + 1]);
    }
  });
});

describe("an ACK", () => {
  it("goes out after the message was handed over", async () => {
    const order: string[] = [];
    const identity = {
      publicKey: ben.publicKey,
      sign: (part: Uint8Array) => {
        order.push("signed");
        return cheapBen.sign(part);
      },
    };
    const bench = await makeBench(identity, {
      verify: () => true,
      onAccepted: () => order.push("handed over"),
      onPublish: () => order.push("published"),
    });
    await receive(bench, 0);
    await turn();
    expect(order).toEqual(["handed over", "signed", "published"]);
  });
});

describe("a copy that comes late", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  function pass(bench: Bench, ms: number): void {
    vi.advanceTimersByTime(ms);
    bench.wall += ms;
  }

  it("is answered with the time of then, by which its sender reads the clock", async () => {
    const timestamps: number[] = [];
    const { bench } = await benchOf({
      onPublish: (_topic, payload) => timestamps.push(Number(new DataView(payload.buffer).getBigUint64(133))),
    });
    for (const waitMs of [0, 500, 3000, 40_000]) {
      pass(bench, waitMs);
      await receive(bench, 0);
      await turn();
    }
    expect(timestamps.map((timestamp) => timestamp - START / 1000)).toEqual([0, 0, 3, 43]);
    expect(bench.counts).toMatchObject({ accepted: 1, duplicates: 3 });
  });

  it("prolongs what is known of its message, where its sender signed it anew", async () => {
    const { bench } = await benchOf();
    // More than are kept for longer than they must be.
    const queues = 6000;
    for (let queue = 0; queue < queues; queue++) await receive(bench, 0, { queue });
    for (let minute = 1; minute <= 5; minute++) {
      pass(bench, 60_000);
      for (let queue = 0; queue < queues; queue += 300) await receive(bench, 0, { queue, at: bench.wall });
      // Whatever comes makes it look at some of what it remembers.
      for (let i = 0; i < 20; i++) {
        pass(bench, 100);
        await receive(bench, 1, { queue: 0, at: bench.wall });
      }
    }
    expect(bench.counts).toMatchObject({ accepted: queues + 1, duplicates: 5 * 20 + 99, dropped: {} });
  });
});

describe("accept", () => {
  it.each<[string, unknown, boolean]>([
    ["true", true, false],
    ["false", false, false],
    ["nothing", undefined, false],
    ["a promise of true", Promise.resolve(true), true],
    ["1", 1, true],
    ["a text", "yes", true],
    ["an object", {}, true],
  ])("that answers %s lets in only with true", async (_, answer, isTold) => {
    // A caller without types may answer anything.
    const { bench, failed } = await benchOf({ accept: () => answer as boolean });
    await receive(bench, 0);
    expect(bench.counts.accepted).toBe(answer === true ? 1 : 0);
    expect(bench.lastDrop).toBe(answer === true ? undefined : "not-accepted");
    expect(failed).toEqual(
      isTold ? [["accept", expect.objectContaining({ code: "INVALID_OPTION", path: "accept" })]] : [],
    );
  });

  it("that gives a promise which rejects leaves no rejection behind", async () => {
    // The test runner reports what nobody handled.
    const accept = (): boolean => Promise.reject(new Error("no list")) as unknown as boolean;
    const { bench, failed } = await benchOf({ accept });
    await receive(bench, 0);
    await turn();
    expect(bench.lastDrop).toBe("not-accepted");
    expect(failed).toHaveLength(1);
  });

  it("that throws lets nobody in, and is told", async () => {
    const broken = new Error("no list");
    const accept = (): boolean => {
      throw broken;
    };
    const { bench, failed } = await benchOf({ accept });
    await receive(bench, 0);
    expect([bench.counts.accepted, bench.lastDrop, failed]).toEqual([
      0,
      "not-accepted",
      [["accept", broken]],
    ]);
  });
});

describe("a signer that hangs", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  /** An identity whose signatures come by hand. */
  function agent(): {
    sign: () => Promise<Uint8Array>;
    asked: number;
    answer: (signature: Uint8Array) => void;
  } {
    const waiting: ((signature: Uint8Array) => void)[] = [];
    return {
      get asked() {
        return waiting.length;
      },
      sign: () => new Promise((resolve) => waiting.push(resolve)),
      answer: (signature) => {
        for (const resolve of waiting) resolve(signature);
      },
    };
  }

  it("owes at most 1024 signatures, to one peer 256, to strangers 768: the rest is refused, and taken when it is back", async () => {
    for (const isKnown of [true, false]) {
      const signer = agent();
      const bench = await makeBench(
        { publicKey: ben.publicKey, sign: signer.sign },
        { verify: () => true, isKnown: () => isKnown },
      );
      const most = isKnown ? 1024 : 768;
      const all = Array.from({ length: most / 256 + 1 }, (_, i) => somebody(i));
      for (const by of all) for (let i = 0; i < 260; i++) await receive(bench, i, { by });
      expect([signer.asked, bench.counts.accepted]).toEqual([most, most]);
      expect(bench.counts.dropped).toEqual({ full: 260 * all.length - most });
      // A probe and a copy ask for nothing more, nor are they refused for good.
      await receive(bench, 0, { by: somebody(0), type: MessageType.Probe });
      await receive(bench, 0, { by: somebody(0) });
      expect(signer.asked).toBe(most);
      signer.answer(new Uint8Array(64));
      await turn();
      await receive(bench, 256, { by: somebody(0) });
      expect(bench.counts.accepted).toBe(most + 1);
      // Each of the messages; the copy of the first came by the same broker.
      expect(bench.counts.published).toBe(most);
    }
  });

  it("is not used up by one peer: another's message is taken", async () => {
    const signer = agent();
    const bench = await makeBench({ publicKey: ben.publicKey, sign: signer.sign }, { verify: () => true });
    for (let i = 0; i < 1100; i++) await receive(bench, i);
    await receive(bench, 0, { by: somebody(1) });
    expect([signer.asked, bench.counts.accepted]).toEqual([257, 257]);
  });

  it("is asked again by a copy of the message after a while", async () => {
    const signer = agent();
    const bench = await makeBench({ publicKey: ben.publicKey, sign: signer.sign }, { verify: () => true });
    await receive(bench, 0);
    await receive(bench, 0);
    expect(signer.asked).toBe(1);
    vi.advanceTimersByTime(5001);
    await receive(bench, 0);
    expect([signer.asked, bench.counts.accepted, bench.counts.duplicates]).toEqual([2, 1, 2]);
  });

  it("is waited for at the end, and leaves no timer", async () => {
    const signer = agent();
    const bench = await makeBench({ publicKey: ben.publicKey, sign: signer.sign }, { verify: () => true });
    await receive(bench, 0);
    const timers = vi.getTimerCount();
    let ended = false;
    const end = bench.receiver.end().then(() => {
      ended = true;
    });
    await turn();
    expect([ended, vi.getTimerCount()]).toEqual([false, timers]);
    signer.answer(new Uint8Array(64));
    await end;
    expect(bench.counts.published).toBe(1);
  });

  it("that fails is told, and asked again by a copy", async () => {
    const broken = new Error("the token is gone");
    let isThere = false;
    const sign = (part: Uint8Array): Uint8Array | Promise<Uint8Array> => {
      if (!isThere) throw broken;
      return cheapBen.sign(part);
    };
    const failed: [string, unknown][] = [];
    const bench = await makeBench(
      { publicKey: ben.publicKey, sign },
      { verify: () => true, onFailed: (name, error) => failed.push([name, error]) },
    );
    await receive(bench, 0);
    await turn();
    isThere = true;
    await receive(bench, 0);
    await turn();
    expect(failed).toEqual([["identity.sign", broken]]);
    expect([bench.counts.accepted, bench.counts.published]).toEqual([1, 1]);
  });
});

describe("a key for sealed messages that hangs", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it("is waited for by 256 messages, 64 of each peer, for five seconds, the rest is refused", async () => {
    let asked = 0;
    const sharedSecret = (): Promise<Uint8Array> => {
      asked++;
      return new Promise(() => {});
    };
    const failed: [string, unknown][] = [];
    const bench = await makeBench(
      { ...cheapBen, sharedSecret },
      { verify: () => true, onFailed: (name, error) => failed.push([name, error]) },
    );
    const payloads = await Promise.all(
      [0, 1, 2, 3, 4].flatMap((number) =>
        [...Array(65).keys()].map((sequence) => payloadOf(sequence, { sealed: true, by: somebody(number) })),
      ),
    );
    const received = payloads.map((payload) => bench.receiver.receive(bench.slot, payload));
    await turn();
    expect([asked, bench.counts.dropped]).toEqual([256, { full: 69 }]);
    await vi.advanceTimersByTimeAsync(5000);
    await Promise.all(received);
    expect([bench.counts.accepted, bench.counts.dropped]).toEqual([0, { full: 325 }]);
    expect(failed[0]).toEqual(["identity.sharedSecret", expect.any(Error)]);
    // An open one goes on meanwhile and after.
    await receive(bench, 0);
    expect(bench.counts.accepted).toBe(1);
    const another = await payloadOf(1, { sealed: true });
    const timers = vi.getTimerCount();
    void bench.receiver.receive(bench.slot, another);
    await turn();
    expect([asked, vi.getTimerCount()]).toEqual([257, timers + 1]);
    // Nobody waits for it any more, and nothing is told of it.
    await bench.receiver.end();
    expect(vi.getTimerCount()).toBe(timers);
    expect(bench.counts.dropped).toEqual({ full: 325 });
  });
});
