import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { Identity } from "../src/wire/identity.js";
import vectors from "./vectors/pairwise.json" with { type: "json" };

/** The modules under test as a program on one platform gets them. */
interface Side {
  readonly identity: typeof import("../src/wire/identity.js");
  readonly pairwise: typeof import("../src/wire/pairwise.js");
}

const PLATFORMS = ["node", "browser"] as const;
type PlatformName = (typeof PLATFORMS)[number];

const N = 0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n;

const sides = new Map<PlatformName, Side>();

beforeAll(async () => {
  for (const name of PLATFORMS) {
    vi.resetModules();
    if (name === "browser") vi.doMock("#platform", () => vi.importActual("../src/platform/browser.js"));
    else vi.doUnmock("#platform");
    sides.set(name, {
      identity: await import("../src/wire/identity.js"),
      pairwise: await import("../src/wire/pairwise.js"),
    });
  }
});

afterAll(() => {
  vi.doUnmock("#platform");
  vi.resetModules();
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const bytesOf = (number: bigint): Uint8Array => Buffer.from(number.toString(16).padStart(64, "0"), "hex");

describe.each(PLATFORMS)("pairwise addresses (%s)", (name) => {
  const side = (): Side => sides.get(name) ?? expect.fail(name);

  it.each(vectors.vectors)(
    "are those of an independent implementation: $annSecret, $benSecret",
    async (vector) => {
      const { Keypair } = side().identity;
      const ann = Keypair.fromSecretKey(vector.annSecret);
      const ben = Keypair.fromSecretKey(vector.benSecret);
      for (const [own, peer, wanted] of [
        [ann, ben, vector.ann],
        [ben, ann, vector.ben],
      ] as const) {
        const pair = await side().pairwise.pairwise(own, peer.publicKeyHex);
        expect(pair).toMatchObject({ ownAddress: wanted.own, remoteAddress: wanted.remote });
        expect(hex((pair.identity as unknown as typeof own).secretKey)).toBe(wanted.ownSecret);
      }
    },
  );

  it("are others for each peer and each side, and the peer may be named in bech32m", async () => {
    const { Keypair } = side().identity;
    const [ann, ben, cleo] = [Keypair.generate(), Keypair.generate(), Keypair.generate()];
    const { formatAddress } = await import("../src/wire/address.js");
    const forBen = await side().pairwise.pairwise(ann, formatAddress(ben.publicKeyHex));
    const forCleo = await side().pairwise.pairwise(ann, cleo.publicKeyHex);
    const all = [forBen, forCleo].flatMap(({ ownAddress, remoteAddress }) => [ownAddress, remoteAddress]);
    const known = [ann, ben, cleo].map(({ publicKeyHex }) => publicKeyHex);
    expect(new Set([...all, ...known]).size).toBe(7);
  });

  it("take an identity whose key is elsewhere, and notice when it adds another number", async () => {
    const { Keypair } = side().identity;
    const [keys, ben] = [Keypair.generate(), Keypair.generate()];
    const agent: Identity = {
      publicKey: keys.publicKey,
      sign: (part) => keys.sign(part),
      sharedSecret: async (publicKey) => keys.sharedSecret(publicKey),
      tweaked: async (tweak) => keys.tweaked(tweak),
    };
    const { pairwise } = side().pairwise;
    expect((await pairwise(agent, ben.publicKeyHex)).ownAddress).toBe(
      (await pairwise(keys, ben.publicKeyHex)).ownAddress,
    );
    const faulty = [
      { ...agent, sharedSecret: undefined },
      { ...agent, tweaked: undefined },
      { ...agent, sharedSecret: () => new Uint8Array(33) },
      { ...agent, tweaked: () => Keypair.generate() },
      { ...agent, tweaked: () => undefined },
      { ...agent, publicKey: new Uint8Array(33) },
    ];
    for (const identity of faulty)
      await expect(pairwise(identity as Identity, ben.publicKeyHex)).rejects.toMatchObject({
        code: "INVALID_KEY",
      });
    const refusing = { ...agent, sharedSecret: () => Promise.reject(new Error("locked")) };
    await expect(pairwise(refusing, ben.publicKeyHex)).rejects.toThrow("locked");
  });

  it.each([
    ["no address", "ben"],
    ["no point on the curve", `02${"5".padStart(64, "0")}`],
    ["nothing", undefined],
  ])("are of two peers: %s is refused", async (_, address) => {
    const keys = side().identity.Keypair.generate();
    const pairwise = side().pairwise.pairwise as (identity: Identity, address: unknown) => Promise<unknown>;
    await expect(pairwise(keys, address)).rejects.toMatchObject({ code: "INVALID_ADDRESS", path: "address" });
    await expect(pairwise(keys, keys.publicKeyHex)).rejects.toMatchObject({ code: "INVALID_ADDRESS" });
  });

  it("come from a key plus a number, which is neither 0 nor the key's own opposite", () => {
    const { Keypair } = side().identity;
    const keys = Keypair.fromSecretKey(bytesOf(5n));
    expect(hex(keys.tweaked(bytesOf(7n)).secretKey)).toBe(hex(bytesOf(12n)));
    expect(hex(keys.tweaked(bytesOf(N - 1n)).secretKey)).toBe(hex(bytesOf(4n)));
    for (const wrong of [bytesOf(N - 5n), bytesOf(0n), bytesOf(N), new Uint8Array(31), "00", undefined])
      expect(() => (keys.tweaked as (tweak: unknown) => unknown)(wrong)).toThrow(
        expect.objectContaining({ code: "INVALID_KEY" }),
      );
  });
});
