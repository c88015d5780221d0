import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePeerOption } from "../src/config/peer-option.js";
import { formatWgKey } from "../src/multiaddr/wg-key.js";
import { formatKey } from "../src/wireguard-key.js";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** A key whose base64 begins with a slash, as one of 64 does. */
const slashed = key.map((bytes) => Uint8Array.from(bytes, (byte, i) => (i === 0 ? 0xfc | (byte & 3) : byte)));

describe("a peer in one word", () => {
  it("is a key with its endpoint and its allowed IPs, whatever character the key begins with", () => {
    fc.assert(
      fc.property(fc.oneof(key, slashed), (publicKey) => {
        const text = formatKey(publicKey);
        expect(parsePeerOption(text)).toEqual({ publicKey, allowedIps: [] });
        const { endpoint, allowedIps } = parsePeerOption(`${text}@192.0.2.1:51820,10.9.0.2/32`);
        expect(endpoint).toMatchObject({ address: "192.0.2.1", port: 51820 });
        expect(allowedIps).toHaveLength(1);
      }),
    );
  });

  it("is a multiaddr as well", () => {
    fc.assert(
      fc.property(slashed, (publicKey) => {
        const text = `/ip4/192.0.2.1/udp/51820/wg/${formatWgKey(publicKey)}`;
        expect(parsePeerOption(text).publicKey).toEqual(publicKey);
      }),
    );
  });

  it("is refused with a sentence when it is neither", () => {
    for (const text of ["", "/", "/wg", `/${"A".repeat(43)}`, "/A=", `${"A".repeat(43)}==`, "/ip4/1.2.3.4"])
      expect(() => parsePeerOption(text)).toThrow(/key|multiaddr/);
  });
});
