import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bearerOf, endpointTextOf, formatWg, MeshError, parseWg, wgBytes } from "../../src/index.js";
import { wgCodec } from "../../src/multiaddr/codec.js";
import {
  decodeMultiaddr,
  encodeMultiaddr,
  formatMultiaddr,
  parseMultiaddr,
} from "../../src/multiaddr/multiaddr.js";
import { formatWgKey, parseWgKey } from "../../src/multiaddr/wg-key.js";
import { formatKey, parseKey } from "../../src/wireguard-key.js";

interface Vector {
  readonly a: { readonly publicKey: string };
  readonly multiaddr: { readonly text: string; readonly bytes: string };
}

const { pairs }: { pairs: Vector[] } = JSON.parse(
  readFileSync(new URL("../vectors.json", import.meta.url), "utf8"),
);

const COUNTING = Uint8Array.from({ length: 32 }, (_, i) => i);
const KEY = "uAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** What is thrown: its code and its words. */
function thrown(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof MeshError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return "nothing";
}

describe("multiaddrs with /wg/", () => {
  it.each(pairs)("are those of the vectors: $multiaddr.text", ({ a, multiaddr }) => {
    expect(hex(wgBytes(multiaddr.text))).toBe(multiaddr.bytes);
    expect(formatMultiaddr(decodeMultiaddr(Buffer.from(multiaddr.bytes, "hex")))).toBe(multiaddr.text);
    const read = parseWg(multiaddr.text);
    expect(parseWg(Buffer.from(multiaddr.bytes, "hex"))).toEqual(read);
    expect(formatKey(read.publicKey)).toBe(a.publicKey);
    expect(formatWg(read)).toBe(multiaddr.text);
    expect([read.bearer, read.overlay]).toEqual(multiaddr.text.split(/\/wg\/u[\w-]{43}/));
  });

  it("have the bytes that others write", () => {
    const text = `/ip4/192.168.1.50/udp/51820/wg/${KEY}/ip4/10.0.11.1/tcp/1616`;
    expect(hex(wgBytes(text))).toBe(`04c0a801329102ca6cc703${hex(COUNTING)}040a000b01060650`);
  });

  it.each([
    ["the bearer alone", `/ip4/192.0.2.1/udp/51820/wg/${KEY}`, "/ip4/192.0.2.1/udp/51820", undefined],
    [
      "the key between",
      `/ip6/2001:db8::1/udp/1/wg/${KEY}/ip4/10.0.11.1/tcp/1616`,
      "/ip6/2001:db8::1/udp/1",
      "/ip4/10.0.11.1/tcp/1616",
    ],
    ["the older form", `/ip4/10.0.11.1/tcp/1616/wg/${KEY}`, undefined, "/ip4/10.0.11.1/tcp/1616"],
    ["the key alone", `/wg/${KEY}`, undefined, undefined],
    ["a name", `/dns4/host.example/udp/9/wg/${KEY}/tcp/80`, "/dns4/host.example/udp/9", "/tcp/80"],
    [
      "a tunnel in a tunnel",
      `/ip4/192.0.2.1/udp/1/wg/${KEY}/ip4/10.0.0.1/udp/2/wg/${KEY}/ip4/10.1.0.1/tcp/80/ws`,
      "/ip4/192.0.2.1/udp/1",
      `/ip4/10.0.0.1/udp/2/wg/${KEY}/ip4/10.1.0.1/tcp/80/ws`,
    ],
    [
      "a tunnel in a tunnel, the older form inside",
      `/ip4/192.0.2.1/udp/1/wg/${KEY}/ip4/10.1.0.1/tcp/80/wg/${KEY}`,
      "/ip4/192.0.2.1/udp/1",
      `/ip4/10.1.0.1/tcp/80/wg/${KEY}`,
    ],
  ])("are read: %s", (_, text, bearer, overlay) => {
    expect(parseWg(text)).toEqual({ bearer, publicKey: COUNTING, overlay });
    expect(parseWg(wgBytes(text))).toEqual({ bearer, publicKey: COUNTING, overlay });
    // The older form is written in the newer one.
    if (bearer !== undefined || overlay === undefined)
      expect(formatWg({ bearer, publicKey: COUNTING, overlay })).toBe(text);
    else expect(formatWg({ bearer, publicKey: COUNTING, overlay })).toBe(`/wg/${KEY}${overlay}`);
  });

  it.each([
    ["", "it has to begin with /"],
    ["ip4/192.0.2.1", "it has to begin with /"],
    ["/", "a part of it is empty"],
    [`/ip4/192.0.2.1/udp/1/wg/${KEY}/`, "a part of it is empty"],
    [`//wg/${KEY}`, "a part of it is empty"],
    ["/ip4/192.0.2.1/udp/1", "there is no /wg/ in it"],
    ["/wg", "/wg: its value is missing"],
    ["/wg/", "/wg/: a WireGuard public key is expected"],
    [`/wg/${KEY}=`, "without padding"],
    [`/wg/${KEY.slice(0, -1)}`, "43 characters"],
    [`/wg/${KEY.slice(0, -1)}9`, "43 characters"], // bits behind the key
    [`/wg/z${KEY.slice(1)}`, "u and 43"],
    [`/wg/${KEY.slice(1)}`, "u and 43"],
    [`/wg/${formatKey(COUNTING)}`, "multiaddr show --key"],
    [`/ip4/192.0.2.1/tcp/1/wg/${KEY}/ip4/10.0.0.1`, "WireGuard goes over UDP"],
    [`/udp/1/wg/${KEY}`, "nothing"],
    [`/ip4/192.0.2.1/wg/${KEY}/tcp/1`, "WireGuard goes over UDP"],
    [`/ip4/192.0.2.1/udp/1/wg/${KEY}/tcp/1/wg/${KEY}/tcp/2`, "WireGuard goes over UDP"],
    ["/ip4/192.0.2.256/udp/1", "it is not an IPv4 address"],
    ["/ip4/192.0.2.01/udp/1", "it is not an IPv4 address"],
    ["/ip6/fe80::1%eth0/udp/1", "it is not an IPv6 address"],
    ["/ip4/192.0.2.1/udp/65536", "it is not a port"],
    ["/ip4/192.0.2.1/udp/01", "it is not a port"],
    ["/ip4/192.0.2.1/udp/+1", "it is not a port"],
    [`/dns/a b/udp/1/wg/${KEY}`, "it is not a name"],
    [`/p2p/Qm/wg/${KEY}`, "/p2p: this protocol is not known here"],
    [`/${"x".repeat(3000)}`, "more than 2048 characters"],
    [`/wg/${KEY}${"/ws".repeat(40)}`, "more than 32 parts"],
  ])("are refused with a reason: %s", (text, reason) => {
    // What is a suffix of the older form may have anything before it.
    expect(thrown(() => parseWg(text))).toContain(reason);
  });

  it.each([
    ["", "it has 0 bytes"],
    ["04c0a801", "end too early"],
    [`c703${hex(COUNTING).slice(2)}`, "end too early"],
    [`c7830000${hex(COUNTING)}`, "longer than it has to be"],
    ["ffffffff7f", "too large"],
    ["ff01", "the code 255 is not known"],
    ["36ff01", "too long"],
    ["3600", "it is not a name|a name of"],
    ["3601ff", "a name of"],
    ["04c0a80132", "there is no /wg/"],
  ])("of wrong bytes are refused: %s", (bytes, reason) => {
    expect(thrown(() => parseWg(Buffer.from(bytes, "hex")))).toMatch(
      new RegExp(`^INVALID_ADDRESS: .*(${reason})`),
    );
  });

  it("show no more of a wrong text than a reason needs", () => {
    expect(thrown(() => parseWg(`/wg/${"A".repeat(1500)}`)).length).toBeLessThan(300);
  });

  it("are written only of what can be read again", () => {
    const publicKey = COUNTING;
    expect(
      thrown(() => formatWg({ bearer: "/ip4/10.0.0.1/tcp/1", publicKey, overlay: undefined })),
    ).toContain("WireGuard goes over UDP");
    expect(thrown(() => formatWg({ bearer: undefined, publicKey, overlay: "/nonsense" }))).toContain(
      "not known here",
    );
    const short = { bearer: undefined, publicKey: new Uint8Array(31), overlay: undefined };
    expect(thrown(() => formatWg(short))).toContain("INVALID_KEY");
  });

  it("lead to endpoints as wg takes them", () => {
    expect(endpointTextOf("/ip4/192.0.2.1/udp/51820")).toBe("192.0.2.1:51820");
    expect(endpointTextOf("/ip6/2001:DB8::1/udp/51820")).toBe("[2001:db8::1]:51820");
    expect(endpointTextOf("/ip6zone/eth0/ip6/fe80::1/udp/1")).toBe("[fe80::1%eth0]:1");
    expect(endpointTextOf("/dns/host.example/udp/1")).toBe("host.example:1");
    expect(bearerOf({ address: "2001:db8::1", family: 6, port: 7 })).toBe("/ip6/2001:db8::1/udp/7");
  });
});

const bytes32 = fc.uint8Array({ minLength: 32, maxLength: 32 });
const port = fc.nat(0xffff);
const host = fc.oneof(
  fc.ipV4().map((text) => `/ip4/${text}`),
  fc.ipV6().map((text) => `/ip6/${text}`),
  fc.domain().map((text) => `/dns/${text}`),
);
const overlay = fc
  .tuple(host, port, fc.constantFrom("", "/ws", "/tls/ws", "/quic-v1"))
  .map(([at, to, rest]) => (rest === "/quic-v1" ? `${at}/udp/${to}${rest}` : `${at}/tcp/${to}${rest}`));

describe("multiaddrs of any content", () => {
  it("come back as they were: text, parts, bytes", () => {
    fc.assert(
      fc.property(host, port, bytes32, fc.option(overlay, { nil: undefined }), (at, to, publicKey, over) => {
        // In its one spelling.
        const text = formatMultiaddr(
          parseMultiaddr(`${at}/udp/${to}/wg/${formatWgKey(publicKey)}${over ?? ""}`),
        );
        const read = parseWg(text);
        expect(read.publicKey).toEqual(publicKey);
        expect(formatWg(read)).toBe(text);
        expect(parseWg(wgBytes(text))).toEqual(read);
        expect(read.overlay === undefined).toBe(over === undefined);
      }),
      { numRuns: 1000 },
    );
  });

  it("have one spelling of a key", () => {
    fc.assert(
      fc.property(bytes32, (key) => {
        const text = formatWgKey(key) ?? "";
        expect(text).toHaveLength(44);
        expect(parseWgKey(text)).toEqual(key);
        expect(parseKey(formatKey(key))).toEqual(key);
      }),
    );
  });

  it("are read from any bytes, or refused with INVALID_ADDRESS", () => {
    const piece = fc.oneof(
      fc.constantFrom("04", "06", "29", "35", "9102", "c703", "dd03", "00", "80", "ff"),
      fc.uint8Array({ maxLength: 34 }).map(hex),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const bytes = Buffer.from(pieces.join(""), "hex");
        let components: ReturnType<typeof decodeMultiaddr>;
        try {
          components = decodeMultiaddr(bytes);
        } catch (error) {
          expect(error).toMatchObject({ code: "INVALID_ADDRESS" });
          return;
        }
        // What is read is canonical: nothing else has these bytes.
        expect(hex(encodeMultiaddr(components))).toBe(hex(bytes));
        expect(parseMultiaddr(formatMultiaddr(components))).toEqual(components);
      }),
      { numRuns: 5000 },
    );
  });

  it("are read from any text, or refused with INVALID_ADDRESS", () => {
    const word = fc.oneof(
      fc.constantFrom("ip4", "ip6", "udp", "tcp", "wg", "dns", "ws", "", KEY, "192.0.2.1", "::1", "80"),
      fc.string({ unit: "binary", maxLength: 50 }),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => {
        try {
          parseWg(`/${words.join("/")}`);
        } catch (error) {
          expect(error).toMatchObject({ code: "INVALID_ADDRESS" });
        }
      }),
      { numRuns: 5000 },
    );
  });
});

describe("the codec for @multiformats/multiaddr", () => {
  it("reads and writes the same, and refuses the same", () => {
    expect(wgCodec).toMatchObject({ code: 0x01c7, name: "wg", size: 256 });
    expect(wgCodec.valueToBytes(KEY)).toEqual(COUNTING);
    expect(wgCodec.bytesToValue(COUNTING)).toBe(KEY);
    wgCodec.validate(KEY);
    expect(thrown(() => wgCodec.validate(`${KEY}=`))).toContain("INVALID_ADDRESS");
    expect(thrown(() => wgCodec.bytesToValue(COUNTING.subarray(1)))).toContain("32 bytes are expected");
  });

  it("works in its registry", async () => {
    await import("../../src/multiaddr/register.js");
    const { multiaddr } = await import("@multiformats/multiaddr");
    for (const { multiaddr: vector } of pairs) {
      expect(hex(multiaddr(vector.text).bytes)).toBe(vector.bytes);
      expect(multiaddr(Buffer.from(vector.bytes, "hex")).toString()).toBe(vector.text);
      const names = multiaddr(vector.text)
        .getComponents()
        .map(({ name }) => name);
      expect(names).toEqual(["ip4", "udp", "wg", "ip4", "tcp"]);
    }
    expect(() => multiaddr(`/ip4/192.0.2.1/udp/1/wg/${KEY}=`)).toThrow("without padding");
  });
});
