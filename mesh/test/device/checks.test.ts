import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checkInterfaceName, checkOverlay, checkPeers } from "../../src/device/checks.js";
import { parseLinks } from "../../src/device/network.js";
import { type Prefix, parsePrefix } from "../../src/ip/prefix.js";
import { formatKey, publicKeyOf } from "../../src/wireguard-key.js";

const PRIVATE = new Uint8Array(32).fill(7);
const A = formatKey(publicKeyOf(new Uint8Array(32).fill(1)));
const B = formatKey(publicKeyOf(new Uint8Array(32).fill(2)));

const prefixes = (...texts: readonly string[]): Prefix[] => texts.flatMap((text) => parsePrefix(text) ?? []);

const link = (ifname: string, ...addresses: readonly string[]) => ({
  ifindex: 1,
  ifname,
  flags: ifname === "lo" ? ["LOOPBACK", "UP"] : ["UP"],
  mtu: 1500,
  addr_info: addresses.map((text) => {
    const [local, bits] = text.split("/");
    return { local, prefixlen: Number(bits), scope: "global" };
  }),
});

const LINKS = parseLinks(
  JSON.stringify([
    link("lo", "127.0.0.1/8"),
    link("eth0", "192.168.1.7/24", "fe80::1/64", "2001:db8::7/64"),
    link("wg0", "10.9.0.1/24", "fe80::9/64"),
  ]),
);

describe("peers as a whole", () => {
  it("may be as they should", () => {
    expect(() =>
      checkPeers(PRIVATE, [
        { publicKey: A, allowedIps: prefixes("10.9.0.2/32", "10.9.0.2/32") },
        { publicKey: B, allowedIps: prefixes("10.9.0.0/24") },
      ]),
    ).not.toThrow();
  });

  it.each([
    ["OWN_KEY", [{ publicKey: formatKey(publicKeyOf(PRIVATE)), allowedIps: [] }]],
    ["LOW_ORDER_KEY", [{ publicKey: formatKey(new Uint8Array(32)), allowedIps: [] }]],
    ["INVALID_KEY", [{ publicKey: A.slice(1), allowedIps: [] }]],
    [
      "CONFLICT",
      [
        { publicKey: A, allowedIps: prefixes("10.9.0.2/32") },
        { publicKey: B, allowedIps: prefixes("10.9.0.2") },
      ],
    ],
  ])("are refused: %s", (code, peers) => {
    expect(() => checkPeers(PRIVATE, peers)).toThrow(expect.objectContaining({ code }));
  });
});

describe("an overlay", () => {
  it.each(["192.168.1.0/24", "192.168.0.0/16", "192.168.1.128/25", "2001:db8::/48", "0.0.0.0/0"])(
    "must not cover a LAN: %s",
    (text) => {
      expect(() => checkOverlay("wg0", prefixes(text), LINKS)).toThrow(
        expect.objectContaining({ code: "CONFLICT" }),
      );
    },
  );

  it.each(["10.9.0.0/24", "192.168.2.0/24", "fe80::/64", "fd00::/8"])("may be beside it: %s", (text) => {
    expect(() => checkOverlay("wg0", prefixes(text), LINKS)).not.toThrow();
  });
});

describe("the name of an interface", () => {
  it.each(["wg0", "wg-home", "a", "wg.0=x+y_z-1234"])("may be %s", (name) => {
    expect(() => checkInterfaceName(name)).not.toThrow();
  });

  it("is never an option, a path or longer than the kernel's", () => {
    fc.assert(
      fc.property(
        fc.oneof(fc.string(), fc.constantFrom("-x", ".", "..", "a/b", "", "a b", "a\n")),
        (name) => {
          try {
            checkInterfaceName(name);
          } catch {
            return;
          }
          expect(name).toMatch(/^(?!-|\.{1,2}$)[A-Za-z0-9_=+.-]{1,15}$/);
        },
      ),
    );
    expect(() => checkInterfaceName("a\n")).toThrow();
    expect(() => checkInterfaceName("abcdefghijklmnop")).toThrow();
    expect(() => checkInterfaceName(undefined)).toThrow();
  });
});
