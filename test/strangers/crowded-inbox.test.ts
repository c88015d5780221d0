import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { type Identity, Keypair } from "../../src/wire/identity.js";
import { type Bench, checksum, isChecksum, keyOf, layOut, makeBench, signCheaply } from "./receiving.js";

/** The monotonic clock, ms. */
let now = 0;

beforeEach(() => {
  now = 5000;
  vi.stubGlobal("performance", { now: () => now });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const keys = Keypair.fromSecretKey("7f".repeat(32));
const identity: Identity = { publicKey: keys.publicKey, sign: (part) => checksum(part, keys.publicKey) };

/** Offers a message; returns why it was dropped, if it was. */
async function offer(bench: Bench, who: number, queue: number, sequence: number, ageS = 0): Promise<unknown> {
  const queueId = Buffer.alloc(32);
  queueId.writeUInt32BE(queue);
  const timestamp = Math.floor(bench.wall / 1000) - ageS;
  const fields = { source: keyOf(who), queueId, sequence, timestamp, type: 1, message: Uint8Array.of(1) };
  bench.lastDrop = undefined;
  await bench.receiver.receive(bench.slot, signCheaply(layOut(fields)));
  return bench.lastDrop;
}

it("one key with old messages, a queue each, keeps nobody else out, and changes nobody's order", {
  timeout: 120_000,
}, async () => {
  const shown: number[] = [];
  const bench = await makeBench(identity, {
    verify: isChecksum,
    onAccepted: (messages) => {
      for (const { packet } of messages) if (!packet.source.endsWith("00000001")) shown.push(packet.sequence);
    },
  });
  const [flooder, python, friend] = [1, 2, 3];
  // A gap that is given up: the message may still come, and is too late then.
  await offer(bench, friend, 7, 0);
  await offer(bench, friend, 7, 2);
  now += 1000;
  bench.wall += 1000;
  bench.receiver.expire(now);
  let queue = 100;
  let taken = 0;
  for (let round = 0; round < 11; round++) {
    for (let i = 0; i < 14_000; i++)
      if ((await offer(bench, flooder, queue++, 0, 118)) === undefined) taken++;
    // They are too old, and so forgotten by the replay window.
    for (let step = 0; step < 100; step++) {
      now += 30;
      bench.wall += 30;
      await offer(bench, flooder, queue++, 0, 200);
    }
    expect(await offer(bench, python, queue++, 0)).toBeUndefined();
    expect(await offer(bench, friend, queue++, 0)).toBeUndefined();
  }
  expect(taken).toBeGreaterThan(131_072);
  expect(await offer(bench, friend, 7, 1)).toBe("out-of-order");
  expect(await offer(bench, friend, 7, 3)).toBeUndefined();
  expect(shown).toEqual([0, 2, ...Array.from({ length: 22 }, () => 0), 3]);
});
