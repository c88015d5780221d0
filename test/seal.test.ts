import { createHash } from "node:crypto";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { SealContext } from "../src/wire/seal.js";
import {
  hchacha20,
  patternOf,
  referenceOpen,
  referencePadded,
  referenceSeal,
} from "./support/seal-reference.js";
import vectors from "./vectors/sealed.json" with { type: "json" };

/** The modules under test as a program on one platform gets them. */
interface Side {
  readonly platform: typeof import("#platform");
  readonly identity: typeof import("../src/wire/identity.js");
  readonly seal: typeof import("../src/wire/seal.js");
}

const PLATFORMS = ["node", "browser"] as const;
type PlatformName = (typeof PLATFORMS)[number];

const HEAD_BYTES = 37;
const TAG_BYTES = 16;

const sides = new Map<PlatformName, Side>();

async function load(name: PlatformName): Promise<Side> {
  vi.resetModules();
  if (name === "browser") vi.doMock("#platform", () => vi.importActual("../src/platform/browser.js"));
  else vi.doUnmock("#platform");
  return {
    platform: await import("#platform"),
    identity: await import("../src/wire/identity.js"),
    seal: await import("../src/wire/seal.js"),
  };
}

function sideOf(name: PlatformName): Side {
  const side = sides.get(name);
  if (side === undefined) throw new Error(`${name} is not loaded`);
  return side;
}

beforeAll(async () => {
  for (const name of PLATFORMS) sides.set(name, await load(name));
});

afterAll(() => {
  vi.doUnmock("#platform");
  vi.resetModules();
});

const secret = hexToBytes(vectors.destinationSecret);

function contextOf({ source, destination, queueId, sequence }: SealContext): SealContext {
  return { source, destination, queueId, sequence };
}

function messageOf(vector: { readonly message?: string; readonly messageLength?: number }): Uint8Array {
  return vector.message === undefined ? patternOf(vector.messageLength ?? 0) : hexToBytes(vector.message);
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

const anyQueueId = fc.uint8Array({ minLength: 32, maxLength: 32 }).map(bytesToHex);
const anySequence = fc.oneof(fc.nat(0xffff_ffff), fc.constantFrom(0, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff));

describe("the reference", () => {
  it("has the HChaCha20 of its specification", () => {
    // draft-irtf-cfrg-xchacha-03, section 2.2.1
    const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i));
    const nonce = Buffer.from("000000090000004a0000000031415927", "hex");
    expect(hchacha20(key, nonce).toString("hex")).toBe(
      "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc",
    );
  });

  it("has as many vectors as were made", () => {
    expect(vectors.good).toHaveLength(21);
    expect(vectors.opens).toHaveLength(3);
    expect(vectors.bad).toHaveLength(27);
  });
});

it("runs on two platforms that are not the same", () => {
  expect(sideOf("node").platform.platform.transports).toContain("mqtt");
  expect(sideOf("browser").platform.platform.transports).not.toContain("mqtt");
});

describe.each(PLATFORMS)("on the %s platform", (name) => {
  it.each(vectors.good)("seals and opens: $name", async (vector) => {
    const { identity, seal } = sideOf(name);
    const message = messageOf(vector);
    const sealed = seal.seal(message, contextOf(vector), hexToBytes(vector.ephemeralSecret));
    expect(sealed).toHaveLength(vector.sealedLength);
    expect(seal.sealedLength(message.length)).toBe(vector.sealedLength);
    if (vector.sealed === undefined) expect(sha256(sealed)).toBe(vector.sealedSha256);
    else expect(bytesToHex(sealed)).toBe(vector.sealed);
    expect(seal.isSealed(sealed)).toBe(true);
    const opened = await seal.open(sealed, contextOf(vector), identity.Keypair.fromSecretKey(secret));
    expect(bytesToHex(opened ?? Uint8Array.of(1))).toBe(bytesToHex(message));
  });

  it.each(vectors.opens)("opens, though it would not seal so: $why", async (vector) => {
    const { identity, seal } = sideOf(name);
    const keys = identity.Keypair.fromSecretKey(secret);
    const opened = await seal.open(hexToBytes(vector.sealed), contextOf(vector), keys);
    expect(bytesToHex(opened ?? new Uint8Array())).toBe(vector.message);
  });

  it.each(vectors.bad)("does not open: $why", async (vector) => {
    const { identity, seal } = sideOf(name);
    const keys = identity.Keypair.fromSecretKey(secret);
    const sealed = hexToBytes(vector.sealed);
    expect(await seal.open(sealed, contextOf(vector), keys)).toBeUndefined();
    expect(referenceOpen(sealed, vector, secret)).toBeUndefined();
  });

  it("seals with random keys what the reference opens, and the other way round", async () => {
    const { identity, seal } = sideOf(name);
    const [ann, ben] = [identity.Keypair.generate(), identity.Keypair.generate()];
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 1200, size: "max" }),
        anyQueueId,
        anySequence,
        async (message, queueId, sequence) => {
          const context = { source: ann.publicKeyHex, destination: ben.publicKeyHex, queueId, sequence };
          const opened = referenceOpen(seal.seal(message, context), context, ben.secretKey);
          expect(opened?.equals(message)).toBe(true);
          const ephemeral = identity.Keypair.generate().secretKey;
          const sealed = referenceSeal(message, context, ephemeral);
          expect(sealed.equals(seal.seal(message, context, ephemeral))).toBe(true);
          expect(bytesToHex((await seal.open(sealed, context, ben)) ?? Uint8Array.of(1))).toBe(
            bytesToHex(message),
          );
        },
      ),
      { numRuns: 40 },
    );
  });

  it("does not open with any one bit flipped", async () => {
    const { identity, seal } = sideOf(name);
    const keys = identity.Keypair.fromSecretKey(secret);
    const [vector] = vectors.good;
    if (vector?.sealed === undefined) throw new Error("no vector");
    const sealed = hexToBytes(vector.sealed);
    // Each bit of marker and key; of text and tag, one bit of each byte.
    const bits = Array.from({ length: sealed.length * 8 }, (_, bit) => bit).filter(
      (bit) => bit < HEAD_BYTES * 8 || bit % 8 === (bit >>> 3) % 8,
    );
    for (const bit of bits) {
      const flipped = sealed.map((byte, at) => (at === bit >>> 3 ? byte ^ (1 << (bit & 7)) : byte));
      expect(await seal.open(flipped, contextOf(vector), keys)).toBeUndefined();
    }
  });

  it("never throws for any bytes, nor rejects", async () => {
    const { identity, seal } = sideOf(name);
    const keys = identity.Keypair.fromSecretKey(secret);
    const [vector] = vectors.good;
    if (vector === undefined) throw new Error("no vector");
    const shaped = fc
      .tuple(fc.uint8Array({ maxLength: 400 }), fc.constantFrom(2, 3, 4, 0))
      .map(([rest, prefix]) => Uint8Array.of(0xff, 0x53, 0x57, 1, prefix, ...rest));
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.uint8Array({ maxLength: 400, size: "max" }), shaped), async (bytes) => {
        expect(typeof seal.isSealed(bytes)).toBe("boolean");
        expect(await seal.open(bytes, contextOf(vector), keys)).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });
});

describe("the padding", () => {
  const padded = (length: number): number =>
    sideOf("node").seal.sealedLength(length) - HEAD_BYTES - TAG_BYTES;

  it("is Padmé's for every length up to 70 000 and for longer ones", () => {
    for (let length = 0; length <= 70_000; length++) {
      if (padded(length) !== referencePadded(4 + length)) expect(length).toBe("as in the reference");
    }
    fc.assert(
      fc.property(fc.integer({ min: 70_000, max: 1 << 25 }), (length) => {
        expect(padded(length)).toBe(referencePadded(4 + length));
      }),
    );
    for (let exponent = 8; exponent <= 25; exponent++) {
      for (const length of [2 ** exponent - 5, 2 ** exponent - 4, 2 ** exponent - 3]) {
        expect(padded(length)).toBe(referencePadded(4 + length));
      }
    }
  });

  it("makes all that is short alike, and nothing longer by more than 12 %", () => {
    for (let length = 0; length <= 252; length++) expect(padded(length)).toBe(256);
    let longest = 0;
    for (let length = 253; length < 1 << 20; length += length < 70_000 ? 1 : 97) {
      longest = Math.max(longest, padded(length) / (4 + length));
    }
    expect(longest).toBeLessThanOrEqual(1.12);
    // A bound that is nowhere near reached would say little.
    expect(longest).toBeGreaterThan(1.05);
  });

  it("leaves few lengths to tell apart: of 64 KiB, fewer than 200", () => {
    const lengths = new Set(Array.from({ length: 65_537 }, (_, length) => padded(length)));
    expect(lengths.size).toBeLessThan(200);
  });

  it("never shrinks with the message", () => {
    fc.assert(
      fc.property(fc.nat(1 << 24), fc.nat(1 << 12), (length, more) => {
        expect(padded(length + more)).toBeGreaterThanOrEqual(padded(length));
      }),
    );
  });
});

describe("opening", () => {
  const [vector] = vectors.good;
  if (vector?.sealed === undefined) throw new Error("no vector");
  const sealed = hexToBytes(vector.sealed);
  const context = contextOf(vector);

  it("works in the middle of a larger buffer, and gives bytes of its own", async () => {
    const { identity, seal } = sideOf("node");
    const message = Uint8Array.of(1, 2, 3);
    const larger = Buffer.alloc(2000, 0xaa);
    const bytes = seal.seal(message, context);
    larger.set(bytes, 77);
    const part = larger.subarray(77, 77 + bytes.length);
    const opened = await seal.open(part, context, identity.Keypair.fromSecretKey(secret));
    larger.fill(0);
    expect([...(opened ?? [])]).toEqual([1, 2, 3]);
    expect(opened?.buffer.byteLength).toBe(3);
  });

  it("asks the identity for the shared secret, once, and only for what looks sealed", async () => {
    const { identity, seal } = sideOf("node");
    const keys = identity.Keypair.fromSecretKey(secret);
    const asked: string[] = [];
    const agent = {
      publicKey: keys.publicKey,
      sign: (part: Uint8Array) => keys.sign(part),
      sharedSecret: async (publicKey: Uint8Array) => {
        asked.push(bytesToHex(publicKey));
        return keys.sharedSecret(publicKey);
      },
    };
    expect(await seal.open(sealed, context, agent)).toEqual(new Uint8Array());
    expect(asked).toEqual([bytesToHex(sealed.subarray(4, 37))]);
    for (const length of [0, 3, 4, 36, 37, 200, sealed.length - 1].map((end) => sealed.subarray(0, end))) {
      expect(await seal.open(length, context, agent)).toBeUndefined();
    }
    expect(await seal.open(sealed.subarray(1), context, agent)).toBeUndefined();
    expect(asked).toHaveLength(1);
  });

  it.each<[string, () => unknown]>([
    [
      "throws",
      () => {
        throw new Error("locked");
      },
    ],
    ["rejects", () => Promise.reject(new Error("locked"))],
    ["gives nothing", () => undefined],
    ["gives something that is no bytes", () => "00".repeat(32)],
    ["gives too little", () => new Uint8Array(31)],
    ["gives the whole point", () => new Uint8Array(33)],
  ])("is in vain, and nothing worse, where the identity %s", async (_, sharedSecret) => {
    const { identity, seal } = sideOf("node");
    const keys = identity.Keypair.fromSecretKey(secret);
    // A caller without types may give anything back.
    const agent = { publicKey: keys.publicKey, sign: () => new Uint8Array(64), sharedSecret } as Parameters<
      typeof seal.open
    >[2];
    expect(await seal.open(sealed, context, agent)).toBeUndefined();
  });

  it("is in vain where the identity cannot agree on a secret at all", async () => {
    const { identity, seal } = sideOf("node");
    const { publicKey } = identity.Keypair.fromSecretKey(secret);
    const token = { publicKey, sign: () => new Uint8Array(64) };
    expect(await seal.open(sealed, context, token)).toBeUndefined();
  });
});

describe("sealing", () => {
  it("never gives the same bytes twice, nor shows anything of the message", () => {
    const { identity, seal } = sideOf("node");
    const [ann, ben] = [identity.Keypair.generate(), identity.Keypair.generate()];
    const context = {
      source: ann.publicKeyHex,
      destination: ben.publicKeyHex,
      queueId: "ab".repeat(32),
      sequence: 0,
    };
    const message = new TextEncoder().encode("the treasure is under the oak");
    const seen = new Set<string>();
    for (let i = 0; i < 20; i++) {
      const sealed = Buffer.from(seal.seal(message, context));
      expect(sealed.includes("treasure")).toBe(false);
      for (let at = 4; at + 8 <= sealed.length; at += 8) seen.add(sealed.toString("hex", at, at + 8));
    }
    expect(seen.size).toBe(20 * Math.floor((4 + 33 + 256 + 16 - 4) / 8));
  });

  it.each(PLATFORMS)(
    "has a key of its own for another message or place, where random bytes come twice, on the %s platform",
    (name) => {
      const { seal } = sideOf(name);
      vi.spyOn(globalThis.crypto, "getRandomValues").mockImplementation((array) => {
        if (array !== null) Buffer.from(array.buffer, array.byteOffset, array.byteLength).fill(7);
        return array;
      });
      try {
        const [vector] = vectors.good;
        if (vector === undefined) throw new Error("no vector");
        const context = contextOf(vector);
        const keyOf = (message: string, place: Partial<SealContext>): string => {
          const sealed = seal.seal(new TextEncoder().encode(message), { ...context, ...place });
          return bytesToHex(sealed.subarray(4, HEAD_BYTES));
        };
        const keys = [
          keyOf("yes", {}),
          keyOf("no", {}),
          keyOf("yes", { sequence: context.sequence + 1 }),
          keyOf("yes", { queueId: "cd".repeat(32) }),
          keyOf("yes", { source: `02${"cd".repeat(32)}` }),
        ];
        expect(new Set(keys).size).toBe(keys.length);
        // The very same packet may look the same.
        expect(keyOf("yes", {})).toBe(keys[0]);
      } finally {
        vi.restoreAllMocks();
      }
    },
  );

  it("starts with what is not UTF-8", () => {
    const { seal } = sideOf("node");
    const fatal = new TextDecoder("utf-8", { fatal: true });
    const [vector] = vectors.good;
    expect(() => fatal.decode(hexToBytes(vector?.sealed ?? ""))).toThrow(TypeError);
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        expect(seal.isSealed(new TextEncoder().encode(text))).toBe(false);
      }),
    );
  });
});
