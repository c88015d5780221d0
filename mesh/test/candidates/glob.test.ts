import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isGlob, matchesGlob } from "../../src/candidates/glob.js";
import { localAddresses } from "../../src/candidates/interfaces.js";
import type { Link } from "../../src/device/network.js";

describe("patterns for names of interfaces", () => {
  it.each([
    ["eth0", "eth0", true],
    ["eth0", "eth*", true],
    ["eth0", "*", true],
    ["eth0", "e*h*", true],
    ["eth0", "eth", false],
    ["eth0", "eth?", true],
    ["eth", "eth?", false],
    ["eth0", "eth[0-3]", true],
    ["eth7", "eth[0-3]", false],
    ["eth7", "eth[^0-3]", true],
    ["eth-", "eth[-x]", true],
    ["", "*", true],
    ["", "", true],
    ["br-1a2b", "br-*", true],
  ])("%s by %s: %s", (name, pattern, is) => {
    expect(matchesGlob(name, pattern)).toBe(is);
  });

  it.each(["wg[0-", "a]", "[]", "[^]", "a\\b", "x".repeat(65)])(
    "%s is none, and matches nothing",
    (pattern) => {
      expect(isGlob(pattern)).toBe(false);
      expect(matchesGlob("wg0", pattern)).toBe(false);
    },
  );

  it("take no longer for a hostile one", () => {
    const startedAt = performance.now();
    expect(matchesGlob("a".repeat(15), `${"*a".repeat(31)}b`)).toBe(false);
    expect(performance.now() - startedAt).toBeLessThan(1000);
  });

  it("never throw", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), fc.string({ maxLength: 70 }), (name, pattern) => {
        expect(typeof matchesGlob(name, pattern)).toBe("boolean");
      }),
    );
  });

  it("choose whose addresses are told", () => {
    const link = (name: string, address: string): Link => ({
      index: 1,
      name,
      kind: undefined,
      isUp: true,
      isLoopback: false,
      mtu: 1500,
      addresses: [{ address, bits: 24, family: 4, isUsable: true, isTemporary: false, scope: "global" }],
    });
    const links = [link("eth0", "192.168.1.2"), link("docker0", "172.17.0.1"), link("wlan0", "192.168.2.2")];
    const told = (reported: Parameters<typeof localAddresses>[3]): string[] =>
      localAddresses(links, [], "wg0", reported).map(({ address }) => address);
    expect(told(undefined)).toEqual(["192.168.1.2", "192.168.2.2", "172.17.0.1"]);
    expect(told({ hidden: ["docker*"] })).toEqual(["192.168.1.2", "192.168.2.2"]);
    expect(told({ only: ["eth?"] })).toEqual(["192.168.1.2"]);
    expect(told({ only: [], hidden: [] })).toHaveLength(3);
    expect(told({ only: ["*0"], hidden: ["eth0"] })).toEqual(["192.168.2.2", "172.17.0.1"]);
  });
});
