import * as real from "node:crypto";
import { hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { noble } from "../src/platform/noble.js";
import { lowS, openssl } from "../src/platform/openssl.js";
import type { Cryptography } from "../src/platform/platform.js";
import vectors from "./vectors/protocol.json" with { type: "json" };

type Crypto = typeof real;

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const refuse = (): never => {
  throw new Error("not in this build");
};

/** Calls back with an error where it is given a callback, and throws otherwise. */
const refuseLater = (...args: unknown[]): void => {
  const done = args.at(-1);
  if (typeof done !== "function") refuse();
  else setImmediate(() => done(new Error("invalid digest")));
};

const isHigh = (signature: NodeJS.ArrayBufferView): boolean =>
  BigInt(`0x${Buffer.from(signature.buffer, signature.byteOffset + 32, 32).toString("hex")}`) > ORDER / 2n;

/** Builds of `node:crypto` that lack something, as they behave. */
const BUILDS: Record<string, Partial<Record<keyof Crypto, (...args: never[]) => unknown>>> = {
  // Bun.
  "BoringSSL's": {
    createECDH: refuse,
    createPrivateKey: refuse,
    createPublicKey: refuse,
    createCipheriv: refuse,
    createDecipheriv: refuse,
  },
  // A distribution's: the keys can be read, but what they sign is refused, at once or in the thread pool.
  "one without signatures over SHA-1": { sign: refuse, verify: refuse },
  "one that finds out late": { sign: refuseLater, verify: refuseLater },
  // Deno.
  "one that takes low s alone": {
    verify: (
      digest: string,
      part: Uint8Array,
      key: real.VerifyKeyObjectInput,
      signature: Uint8Array,
      done?: (error: Error | null, ok: boolean) => void,
    ) => {
      if (done === undefined) return !isHigh(signature) && real.verify(digest, part, key, signature);
      if (isHigh(signature)) return void setImmediate(done, null, false);
      return real.verify(digest, part, key, signature, done);
    },
  },
};

async function load(build: string): Promise<Cryptography> {
  vi.resetModules();
  vi.doMock("node:crypto", async (importOriginal) => ({
    ...(await importOriginal<Crypto>()),
    ...BUILDS[build],
  }));
  return (await import("../src/platform/openssl.js")).openssl;
}

afterEach(() => {
  vi.doUnmock("node:crypto");
  vi.resetModules();
});

/** The parts of a packet: what is signed, the key, the signature. */
function partsOf(payload: string): [signature: Uint8Array, part: Uint8Array, publicKey: Uint8Array] {
  const bytes = hexToBytes(payload);
  return [bytes.subarray(33, 97), bytes.subarray(97), bytes.subarray(0, 33)];
}

const SECRET = hexToBytes("01".repeat(32));
const OTHER = hexToBytes("02".repeat(32));

describe.each(Object.keys(BUILDS))("with a node:crypto like %s", (build) => {
  it("checks signatures as with OpenSSL, good ones and bad ones", async () => {
    const verify = (await load(build)).createVerify();
    const truly = openssl.createVerify();
    for (const { payload } of vectors.packets) expect(await verify(...partsOf(payload))).toBe(true);
    for (const { payload } of vectors.invalid.filter(({ payload }) => payload.length > 200)) {
      expect(await verify(...partsOf(payload))).toBe(await truly(...partsOf(payload)));
    }
  });

  it("signs, alone and several at once, short and long", async () => {
    const sign = (await load(build)).createSign(SECRET);
    const { publicKey } = openssl.createEcdh(SECRET);
    const verify = openssl.createVerify();
    const parts = [10, 20, 10_000, 65_000].map((length) => new Uint8Array(length).fill(length));
    const signatures = await Promise.all(parts.map((part) => sign(part)));
    for (const [i, part] of parts.entries()) {
      expect(await verify(signatures[i] ?? part, part, publicKey)).toBe(true);
    }
  });

  it("agrees on public keys, also of the smallest and the largest secret keys", async () => {
    const crypto = await load(build);
    const random = Array.from({ length: 20 }, () => real.randomBytes(32));
    const edges = [1n, 2n, 3n, ORDER / 2n, ORDER / 2n + 1n, ORDER - 2n, ORDER - 1n];
    for (const key of [...random, ...edges.map((edge) => hexToBytes(edge.toString(16).padStart(64, "0")))])
      expect(crypto.createEcdh(key).publicKey).toEqual(openssl.createEcdh(key).publicKey);
  });

  it("agrees on secrets, and on what is no key", async () => {
    const crypto = await load(build);
    const { publicKey, sharedSecret } = crypto.createEcdh(SECRET);
    const other = openssl.createEcdh(OTHER);
    expect(publicKey).toEqual(openssl.createEcdh(SECRET).publicKey);
    expect(sharedSecret(other.publicKey)).toEqual(other.sharedSecret(publicKey));
    expect(() => sharedSecret(new Uint8Array(33))).toThrow();
  });

  it("opens what OpenSSL sealed, and the other way round", async () => {
    const crypto = await load(build);
    const place = [new Uint8Array(32).fill(1), new Uint8Array(24).fill(2), new Uint8Array(9)] as const;
    const plain = new Uint8Array(65_536).fill(7);
    const sealed = openssl.createCipher(...place).encrypt(plain);
    expect(sealed.length).toBe(plain.length + 16);
    expect(Buffer.compare(crypto.createCipher(...place).encrypt(plain), sealed)).toBe(0);
    expect(Buffer.compare(crypto.createCipher(...place).decrypt(sealed), plain)).toBe(0);
    sealed[70] = 1 ^ (sealed[70] ?? 0);
    expect(() => crypto.createCipher(...place).decrypt(sealed)).toThrow();
  });
});

it("does not ask noble on Node, whatever comes in", async () => {
  const instead = vi.spyOn(noble, "createVerify").mockReturnValue(() => true);
  const verify = openssl.createVerify();
  for (const { payload } of vectors.invalid.filter(({ payload }) => payload.length > 200)) {
    expect(await verify(...partsOf(payload))).toBe(false);
  }
  instead.mockRestore();
});

describe("the low one of a signature's two s", () => {
  const s = (value: bigint): Uint8Array => hexToBytes(value.toString(16).padStart(64, "0"));
  const signature = (value: bigint): Uint8Array => Buffer.concat([new Uint8Array(32).fill(9), s(value)]);

  it("is n - s for a high s, and out of range for what is out of range", () => {
    const any = fc.oneof(
      fc.bigInt(0n, 2n ** 256n - 1n),
      fc.constantFrom(0n, 1n, 2n ** 255n, ORDER - 1n, ORDER, ORDER + 1n, 2n ** 256n - 1n),
    );
    fc.assert(
      fc.property(any, (value) => {
        const before = signature(value);
        const low = lowS(before);
        const wanted = value < 2n ** 255n ? value : (2n ** 256n + ORDER - value) % 2n ** 256n;
        expect(Buffer.from(low).equals(signature(wanted))).toBe(true);
        expect(wanted > 0n && wanted < ORDER).toBe(value > 0n && value < ORDER);
        expect(Buffer.from(before).equals(signature(value))).toBe(true);
      }),
    );
  });

  it("leaves what is no signature alone", () => {
    for (const length of [0, 1, 32, 33, 63, 65, 100]) {
      expect(lowS(new Uint8Array(length).fill(255))).toHaveLength(length);
    }
  });
});
