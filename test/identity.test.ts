import { createECDH } from "node:crypto";
import { inspect } from "node:util";
import { bytesToHex, hexToBytes } from "@noble/hashes/utils.js";
import { describe, expect, it } from "vitest";
import { platform } from "#platform";
import { type Identity, identityAddress, Keypair, parseAddress } from "../src/wire/identity.js";
import vectors from "./vectors/protocol.json" with { type: "json" };

/** The order of the group. */
const N = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const N_MINUS_1 = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140";
const ONE = "1".padStart(64, "0");
/** The generator: the public key of the secret key 1. */
const G = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798";

/** No point of the curve has this coordinate. */
const OFF_CURVE = `02${"5".padStart(64, "0")}`;

const SECRET = "c2b8f01d378b0e2324fb38e88a24f9d30755ed89dfc60297997e976ba7641e3e";
const part = new TextEncoder().encode("what is signed");

describe("Keypair.fromSecretKey", () => {
  it.each(vectors.keys)("derives $public from hex of either case and from bytes", (vector) => {
    const bytes = hexToBytes(vector.secret);
    for (const secret of [vector.secret, vector.secret.toUpperCase(), bytes, Buffer.from(bytes)]) {
      const keys = Keypair.fromSecretKey(secret);
      expect(keys.publicKeyHex).toBe(vector.public);
      expect(bytesToHex(keys.publicKey)).toBe(vector.public);
      expect(bytesToHex(keys.secretKey)).toBe(vector.secret);
    }
  });

  it("takes the smallest and the largest key", () => {
    expect(Keypair.fromSecretKey(ONE).publicKeyHex).toBe(G);
    // n - 1 is -1: the generator's mirror image.
    expect(Keypair.fromSecretKey(N_MINUS_1).publicKeyHex).toBe(`03${G.slice(2)}`);
  });

  it.each([
    ["zero", "0".repeat(64)],
    ["n", N],
    ["more than n", "f".repeat(64)],
    ["31 bytes", new Uint8Array(31).fill(1)],
    ["33 bytes", new Uint8Array(33).fill(1)],
    ["63 hex characters", "1".repeat(63)],
    ["66 hex characters", "1".repeat(66)],
    ["not hex", "g".repeat(64)],
    ["an empty text", ""],
    ["undefined", undefined],
    ["null", null],
    ["a number", 1],
    ["an array", Array.from({ length: 32 }, () => 1)],
  ])("refuses %s", (_, secret) => {
    // A caller without types may pass anything.
    const fromSecretKey = Keypair.fromSecretKey as (secret: unknown) => Keypair;
    expect(() => fromSecretKey(secret)).toThrow(
      expect.objectContaining({ name: "InvalidInputError", code: "INVALID_KEY", path: "secretKey" }),
    );
  });

  it("does not show a mistyped secret in its error", () => {
    const mistyped = `${SECRET.slice(0, -1)}g`;
    expect(() => Keypair.fromSecretKey(mistyped)).toThrow(
      expect.objectContaining({ stack: expect.not.stringContaining(SECRET.slice(0, 16)) }),
    );
  });
});

describe("Keypair", () => {
  it("generates another key each time", () => {
    const addresses = Array.from({ length: 20 }, () => Keypair.generate().publicKeyHex);
    expect(new Set(addresses).size).toBe(20);
    for (const address of addresses) expect(parseAddress(address)).toBe(address);
  });

  it("signs so that its public key verifies, and nothing else does", async () => {
    const keys = Keypair.generate();
    const signature = await keys.sign(part);
    const verify = platform.createVerify();
    expect(signature).toHaveLength(64);
    expect(await verify(signature, part, keys.publicKey)).toBe(true);
    expect(await verify(signature, part.subarray(1), keys.publicKey)).toBe(false);
    expect(await verify(signature, part, Keypair.generate().publicKey)).toBe(false);
  });

  it("signs one short message at once, and a long one beside the event loop", async () => {
    const short = Keypair.generate().sign(new Uint8Array(8191));
    expect(short).toBeInstanceOf(Uint8Array);
    const keys = Keypair.generate();
    const part = new Uint8Array(8192);
    const long = keys.sign(part);
    expect(long).toBeInstanceOf(Promise);
    expect(await platform.createVerify()(await long, part, keys.publicKey)).toBe(true);
  });

  it("shares a secret with another key: the x coordinate, as any ECDH has it", () => {
    for (const { secret, public: publicKey } of vectors.keys) {
      const ecdh = createECDH("secp256k1");
      ecdh.setPrivateKey(SECRET, "hex");
      const shared = Keypair.fromSecretKey(SECRET).sharedSecret(hexToBytes(publicKey));
      expect(bytesToHex(shared)).toBe(ecdh.computeSecret(publicKey, "hex", "hex"));
      const mirrored = Keypair.fromSecretKey(secret).sharedSecret(Keypair.fromSecretKey(SECRET).publicKey);
      expect(bytesToHex(mirrored)).toBe(bytesToHex(shared));
    }
    expect(() => Keypair.fromSecretKey(SECRET).sharedSecret(hexToBytes(OFF_CURVE))).toThrow();
  });

  it("never shows its secret when it is printed or serialised", () => {
    const keys = Keypair.fromSecretKey(SECRET);
    const shown = [
      inspect(keys, { showHidden: true, depth: null }),
      inspect([{ keys }], { depth: null }),
      JSON.stringify({ keys }),
      String(keys),
      JSON.stringify(Object.entries(keys)),
      JSON.stringify({ ...keys }),
    ];
    const bytes = hexToBytes(SECRET);
    for (const text of shown) {
      expect(text).not.toContain(SECRET);
      expect(text.replaceAll(/\s/g, "")).not.toContain(bytes.subarray(0, 8).join(","));
    }
    expect(JSON.parse(JSON.stringify(keys))).toEqual({ publicKey: keys.publicKeyHex });
  });

  it.each([
    ["a Uint8Array", (hex: string): Uint8Array => hexToBytes(hex)],
    ["a Buffer", (hex: string): Uint8Array => Buffer.from(hex, "hex")],
  ])("keeps a copy of a secret given as %s, which the caller may wipe", async (_, bytesOf) => {
    const given = bytesOf(SECRET);
    const keys = Keypair.fromSecretKey(given);
    given.fill(0);
    expect(bytesToHex(keys.secretKey)).toBe(SECRET);
    expect(await platform.createVerify()(await keys.sign(part), part, keys.publicKey)).toBe(true);
  });

  it.each([
    ["a Uint8Array", (hex: string): Uint8Array => hexToBytes(hex)],
    ["a Buffer", (hex: string): Uint8Array => Buffer.from(hex, "hex")],
  ])("gives away copies of a secret given as %s, which the caller may wipe", (_, bytesOf) => {
    const keys = Keypair.fromSecretKey(bytesOf(SECRET));
    keys.secretKey.fill(0);
    expect(bytesToHex(keys.secretKey)).toBe(SECRET);
  });
});

describe("parseAddress", () => {
  it("gives the one spelling of an address", () => {
    expect(parseAddress(G)).toBe(G);
    expect(parseAddress(G.toUpperCase())).toBe(G);
  });

  it.each([
    ["an empty text", ""],
    ["65 characters", G.slice(1)],
    ["67 characters", `${G}0`],
    ["68 characters", `${G}00`],
    ["a space around it", ` ${G}`],
    ["an 0x before it", `0x${G}`],
    ["something else than hex", `${G.slice(0, -1)}g`],
    ["an uncompressed key's prefix", `04${G.slice(2)}`],
    ["a key that is not on the curve", OFF_CURVE],
    ["a coordinate outside the field", `02${"f".repeat(64)}`],
    ["an uncompressed key", `04${G.slice(2)}${"0".repeat(64)}`],
    ["bytes", hexToBytes(G)],
    ["undefined", undefined],
    ["null", null],
  ])("refuses %s and says where it stood", (_, address) => {
    // A caller without types may pass anything.
    const parse = parseAddress as (address: unknown, path: string) => string;
    expect(() => parse(address, "destination")).toThrow(
      expect.objectContaining({ name: "InvalidInputError", code: "INVALID_ADDRESS", path: "destination" }),
    );
  });

  it("names the address in its error, but not all of a long one", () => {
    expect(() => parseAddress("02abc")).toThrow(/"02abc"/);
    expect(() => parseAddress("z".repeat(5000))).toThrow(/^.{1,300}$/);
  });
});

describe("identityAddress", () => {
  it("takes any object with a public key and a sign function", () => {
    const keys = Keypair.generate();
    const agent: Identity = { publicKey: keys.publicKey, sign: async (bytes) => await keys.sign(bytes) };
    expect(identityAddress(agent)).toBe(keys.publicKeyHex);
    expect(identityAddress(keys)).toBe(keys.publicKeyHex);
  });

  const sign = (): Uint8Array => new Uint8Array(64);
  it.each([
    ["nothing", undefined, "identity.publicKey"],
    ["null", null, "identity.publicKey"],
    ["no public key", { sign }, "identity.publicKey"],
    ["a public key as text", { publicKey: G, sign }, "identity.publicKey"],
    ["a short public key", { publicKey: hexToBytes(G).subarray(1), sign }, "identity.publicKey"],
    ["a public key off the curve", { publicKey: hexToBytes(OFF_CURVE), sign }, "identity.publicKey"],
    ["no sign function", { publicKey: hexToBytes(G) }, "identity.sign"],
    ["a signature for a function", { publicKey: hexToBytes(G), sign: sign() }, "identity.sign"],
  ])("refuses %s", (_, identity, path) => {
    // A caller without types may pass anything.
    const addressOf = identityAddress as (identity: unknown) => string;
    expect(() => addressOf(identity)).toThrow(
      expect.objectContaining({ name: "InvalidInputError", code: "INVALID_KEY", path }),
    );
  });
});
