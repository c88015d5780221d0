import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { linkLocalAddress, pairOf } from "../src/index.js";
import { parseKey, publicKeyOf, sharedSecretOf } from "../src/wireguard-key.js";

interface Side {
  readonly privateKey: string;
  readonly publicKey: string;
  readonly linkLocal: string;
}

interface Spoken {
  readonly secretKey: string;
  readonly address: string;
}

interface Vector {
  readonly a: Side;
  readonly b: Side;
  readonly sharedSecret: string;
  readonly aToB: Spoken;
  readonly bToA: Spoken;
  readonly probeKey: string;
}

const { pairs }: { pairs: Vector[] } = JSON.parse(
  readFileSync(new URL("vectors.json", import.meta.url), "utf8"),
);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

describe("pair keys and link-local addresses, by the vectors", () => {
  it("has some", () => expect(pairs.length).toBeGreaterThan(3));

  it.each(pairs)("$a.publicKey and $b.publicKey", ({ a, b, sharedSecret, aToB, bToA, probeKey }) => {
    for (const [own, other, speak, listen] of [
      [a, b, aToB, bToA],
      [b, a, bToA, aToB],
    ] as const) {
      const privateKey = parseKey(own.privateKey);
      const publicKey = parseKey(other.publicKey);
      expect(publicKeyOf(privateKey)).toEqual(parseKey(own.publicKey));
      expect(linkLocalAddress(parseKey(own.publicKey))).toBe(own.linkLocal);
      expect(hex(sharedSecretOf(privateKey, publicKey))).toBe(sharedSecret);
      const pair = pairOf(privateKey, publicKey);
      expect(hex(pair.secretKey)).toBe(speak.secretKey);
      expect(hex(pair.ownAddress)).toBe(speak.address);
      expect(hex(pair.remoteAddress)).toBe(listen.address);
      expect(hex(pair.probeKey)).toBe(probeKey);
    }
  });
});
