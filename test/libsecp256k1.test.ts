import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { AppPacket, Keypair, Router } from "../src/index.js";
import { libsecp256k1 } from "../src/libsecp256k1.js";
import { noble } from "../src/platform/noble.js";
import { platform } from "../src/platform/node.js";
import { startEmbeddedBroker } from "./support/embedded-broker.js";
import { poolOf, record, use } from "./support/peers.js";
import vectors from "./vectors/protocol.json" with { type: "json" };

const fast = await libsecp256k1(Keypair.generate());

describe("libsecp256k1", () => {
  it.each(vectors.keys)(
    "has the public key and the shared secrets of $public",
    async ({ secret, public: key }) => {
      const keys = Keypair.fromSecretKey(secret);
      const identity = await libsecp256k1(keys);
      expect(bytesToHex(identity.publicKey)).toBe(key);
      for (const { public: other } of vectors.keys)
        expect(identity.sharedSecret(hexToBytes(other))).toEqual(keys.sharedSecret(hexToBytes(other)));
    },
  );

  it("takes the signature of every packet of the vectors, those with a high s as well", async () => {
    for (const { payload } of vectors.packets) {
      const packet = AppPacket.parse(hexToBytes(payload));
      expect(await packet?.verify(fast.verify)).toBe(true);
    }
  });

  it.each(vectors.invalid)("refuses: $why", async ({ payload }) => {
    const packet = AppPacket.parse(hexToBytes(payload));
    expect((await packet?.verify(fast.verify)) ?? false).toBe(false);
  });

  it("signs what the platforms' own verify, and verifies what they sign", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (part) => {
        const keys = Keypair.generate();
        const identity = await libsecp256k1(keys);
        const signature = await identity.sign(part);
        expect(await platform.createVerify()(signature, part, keys.publicKey)).toBe(true);
        expect(await noble.createVerify()(signature, part, keys.publicKey)).toBe(true);
        for (const own of [platform, noble]) {
          const other = await own.createSign(keys.secretKey)(part);
          expect(await identity.verify(other, part, keys.publicKey)).toBe(true);
          other[40] = (other[40] ?? 0) ^ 1;
          expect(await identity.verify(other, part, keys.publicKey)).toBe(false);
        }
      }),
      { numRuns: 30 },
    );
  });

  it("says no to any bytes, and never throws", () => {
    const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
      fc.oneof(fc.uint8Array({ minLength: length, maxLength: length }), fc.uint8Array({ maxLength: 70 }));
    fc.assert(
      fc.property(bytes(64), fc.uint8Array({ maxLength: 40 }), bytes(33), (signature, part, key) => {
        expect(fast.verify(signature, part, key)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  it("throws for a shared secret with what is no point on the curve", () => {
    expect(() => fast.sharedSecret(new Uint8Array(33))).toThrow();
  });

  it("carries a sealed conversation through the seam", async () => {
    const brokers = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all(
      [1, 2].map(async () => {
        const identity = await libsecp256k1(Keypair.generate());
        const options = { getTime: Date.now, brokers, families: ["IPv4"], encrypt: true } as const;
        return use(new Router(identity, { ...options, verify: identity.verify }));
      }),
    );
    if (ann === undefined || ben === undefined) throw new Error("two peers were made");
    await Promise.all([ann.start(), ben.start()]);
    const shown = record(ben);
    expect(await (await ann.pipe(ben.address)).send("hello")).toBe(5);
    expect(shown.map((message) => [message.text(), message.sealed])).toEqual([["hello", true]]);
  });
});
