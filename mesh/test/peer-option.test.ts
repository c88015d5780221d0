import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parsePeerOptions } from "../src/config/peer-option.js";
import type { NewPeer } from "../src/device/create.js";
import { formatWgKey } from "../src/multiaddr/wg-key.js";
import { formatKey } from "../src/wireguard-key.js";

const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
/** A key whose base64 begins with a slash, as one of 64 does. */
const slashed = key.map((bytes) => Uint8Array.from(bytes, (byte, i) => (i === 0 ? 0xfc | (byte & 3) : byte)));

const lookUp = async (host: string): Promise<readonly string[]> =>
  host === "host.example" ? ["192.0.2.9", "2001:db8::9"] : [];

async function peerOf(text: string): Promise<NewPeer> {
  const { peers, notes } = await parsePeerOptions([text], lookUp);
  expect(notes).toEqual([]);
  return peers[0] ?? expect.fail();
}

describe("a peer in one word", () => {
  it("is a key with its endpoint and its allowed IPs, whatever character the key begins with", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(key, slashed), async (publicKey) => {
        const text = formatKey(publicKey);
        expect(await peerOf(text)).toEqual({ publicKey, allowedIps: [] });
        const { endpoint, allowedIps } = await peerOf(`${text}@192.0.2.1:51820,10.9.0.2/32`);
        expect(endpoint).toMatchObject({ address: "192.0.2.1", port: 51820 });
        expect(allowedIps).toHaveLength(1);
      }),
    );
  });

  it("is a multiaddr as well", async () => {
    await fc.assert(
      fc.asyncProperty(slashed, async (publicKey) => {
        const text = `/ip4/192.0.2.1/udp/51820/wg/${formatWgKey(publicKey)}`;
        expect((await peerOf(text)).publicKey).toEqual(publicKey);
      }),
    );
  });

  const wg = `/wg/${formatWgKey(new Uint8Array(32).fill(9))}`;
  const base64 = formatKey(new Uint8Array(32).fill(9));

  it.each([
    [`${base64}@host.example:51820`, "192.0.2.9"],
    [`/dns/host.example/udp/51820${wg}`, "192.0.2.9"],
    [`/dns4/host.example/udp/51820${wg}`, "192.0.2.9"],
    [`/dns6/host.example/udp/51820${wg}`, "2001:db8::9"],
  ])("may name its host, which is looked up: %s", async (text, address) => {
    expect((await peerOf(text)).endpoint).toMatchObject({ address, port: 51_820 });
  });

  it.each([
    [`${base64}@gone.example:51820,10.9.0.2/32`, "--peer: endpoint: gone.example cannot be looked up now"],
    [`/dns4/gone.example/udp/51820${wg}/ip4/10.9.0.2`, "gone.example cannot be looked up now"],
    [`${base64}@[fe80::1%eth0]:51820,10.9.0.2/32`, "[fe80::1%eth0]:51820 is not used"],
    [`/ip6zone/eth0/ip6/fe80::1/udp/51820${wg},10.9.0.2/32`, "[fe80::1%eth0]:51820 is not used"],
  ])("is used without a place that cannot be used now: %s", async (text, note) => {
    const { peers, notes } = await parsePeerOptions([text], lookUp);
    expect(peers).toMatchObject([{ allowedIps: [{ bits: 32 }] }]);
    expect(peers[0]?.endpoint).toBeUndefined();
    expect(notes).toEqual([expect.stringContaining(note)]);
  });

  it("is refused with a sentence when it is neither", async () => {
    for (const text of ["", "/", "/wg", `/${"A".repeat(43)}`, "/A=", `${"A".repeat(43)}==`, "/ip4/1.2.3.4"])
      await expect(parsePeerOptions([text], lookUp)).rejects.toThrow(/key|multiaddr/);
    for (const place of ["host", "a b:1", "host:0", "[fe80::%]:1", "[fe80::1%a/b]:1", "[fe80::1%eth0]:0"])
      await expect(parsePeerOptions([`${base64}@${place}`], lookUp)).rejects.toThrow("--peer: endpoint");
  });
});
