import { BlockList, SocketAddress } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatAddress, parseAddress, unmapped } from "../../src/ip/address.js";
import { contains, formatPrefix, overlaps, parsePrefix } from "../../src/ip/prefix.js";
import { isReachable, scopeOf } from "../../src/ip/scope.js";
import { remoteOf } from "../../src/probe/probe-sockets.js";

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
/** With many zeros, where spellings differ, and no IPv4 addresses within IPv6. */
const addresses: fc.Arbitrary<Uint8Array> = fc
  .oneof(
    bytesOf(4),
    bytesOf(16),
    fc
      .array(fc.constantFrom(0, 0, 1, 0x20), { minLength: 16, maxLength: 16 })
      .map((all) => Uint8Array.from(all)),
  )
  .map(unmapped);

describe("addresses and prefixes", () => {
  it("are read as they were written, and written as Node does", () => {
    fc.assert(
      fc.property(addresses, fc.integer({ min: 1, max: 65_535 }), (bytes, port) => {
        const text = formatAddress(bytes);
        expect(parseAddress(text)).toEqual(bytes);
        const family = bytes.length === 4 ? "IPv4" : "IPv6";
        const address = new SocketAddress({
          address: text,
          family: bytes.length === 4 ? "ipv4" : "ipv6",
        }).address;
        expect(remoteOf({ address, family, port, size: 0 })).toEqual({
          address: text,
          family: bytes.length === 4 ? 4 : 6,
          port,
        });
      }),
      { numRuns: 2000 },
    );
  });

  it("of senders: none with a zone, or at port 0; an IPv4 address within IPv6 is IPv4", () => {
    expect(remoteOf({ address: "fe80::1%eth0", family: "IPv6", port: 1, size: 0 })).toBeUndefined();
    expect(remoteOf({ address: "192.0.2.1", family: "IPv4", port: 0, size: 0 })).toBeUndefined();
    expect(remoteOf({ address: "::ffff:192.0.2.1", family: "IPv6", port: 1, size: 0 })).toEqual({
      address: "192.0.2.1",
      family: 4,
      port: 1,
    });
  });

  it("contain what Node's block list says they do", () => {
    const near = fc
      .tuple(addresses, fc.nat(128), fc.nat(127))
      .map(([bytes, bits, flipped]) => {
        const other = Uint8Array.from(bytes);
        const at = flipped % (8 * bytes.length);
        other[at >> 3] = (other[at >> 3] ?? 0) ^ (0x80 >> (at & 7));
        return { bytes, bits: bits % (8 * bytes.length + 1), other };
      })
      .filter(({ other }) => unmapped(other).length === other.length);
    fc.assert(
      fc.property(near, ({ bytes, bits, other }) => {
        const family = bytes.length === 4 ? "ipv4" : "ipv6";
        const prefix = parsePrefix(`${formatAddress(bytes)}/${bits}`);
        if (prefix === undefined) throw new Error("unread");
        expect(parsePrefix(formatPrefix(prefix))).toEqual(prefix);
        const list = new BlockList();
        // Node takes no length 0.
        if (bits > 0) list.addSubnet(formatAddress(bytes), bits, family);
        expect(contains(prefix, other)).toBe(bits === 0 || list.check(formatAddress(other), family));
        expect(contains(prefix, bytes)).toBe(true);
        const whole = parsePrefix(formatAddress(other));
        expect(whole && overlaps(prefix, whole)).toBe(contains(prefix, other));
      }),
      { numRuns: 2000 },
    );
  });

  it.each([
    ["8.8.8.8", "global"],
    ["2001:db8::1", "global"],
    ["10.1.2.3", "private"],
    ["172.31.255.255", "private"],
    ["172.32.0.1", "global"],
    ["100.64.0.1", "private"],
    ["fd00::1", "private"],
    ["169.254.1.1", "link-local"],
    ["fe80::1", "link-local"],
    ["127.9.9.9", "loopback"],
    ["::1", "loopback"],
    ["224.0.0.1", "multicast"],
    ["ff02::1", "multicast"],
    ["0.0.0.0", "reserved"],
    ["::", "reserved"],
    ["255.255.255.255", "reserved"],
    ["::ffff:127.0.0.1", "loopback"],
  ] as const)("%s is %s", (text, scope) => {
    const bytes = parseAddress(text);
    expect(bytes && scopeOf(bytes)).toBe(scope);
    expect(bytes && isReachable(bytes)).toBe(scope === "global" || scope === "private");
  });
});
