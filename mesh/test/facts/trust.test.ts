import { describe, expect, it } from "vitest";
import type { Fact } from "../../src/facts/fact.js";
import { isBelieved, isRouter, standingOf, type TrustLevel } from "../../src/facts/trust.js";
import { parsePrefix } from "../../src/ip/prefix.js";

const prefixes = (...texts: readonly string[]) => texts.flatMap((text) => parsePrefix(text) ?? []);

describe("who is a router", () => {
  it.each([
    [["10.9.0.2/32"], false],
    [["fd00::2/128", "fe80::1/128"], false],
    [["fe80::/64"], false],
    [["224.0.0.0/4"], false],
    [[], false],
    [["10.9.0.2/32", "192.168.7.0/24"], true],
    [["fd00::/64"], true],
  ])("%j: %s", (texts, expected) => {
    expect(isRouter(prefixes(...texts))).toBe(expected);
  });
});

describe("how a peer stands", () => {
  const host = { allowedIps: prefixes("10.9.0.2/32"), isMember: false };
  const router = { allowedIps: prefixes("10.9.0.0/24"), isMember: false };

  it("is by the first opinion: the configuration, then routes, then that it is known", () => {
    expect(standingOf(host)).toEqual({ level: "Endpoint", isTold: false, isTrusted: false, isMember: false });
    expect(standingOf(router)).toMatchObject({ level: "Membership", isTold: true, isTrusted: true });
    expect(standingOf({ ...router, trust: "Untrusted" })).toMatchObject({
      level: "Untrusted",
      isTold: false,
    });
    expect(standingOf({ ...host, trust: "Endpoint" })).toMatchObject({ level: "Endpoint", isTrusted: true });
  });

  it("of anybody is that of a peer who is told everything, where this host is chatty", () => {
    expect(standingOf({ ...host, isChatty: true })).toMatchObject({ level: "Endpoint", isTrusted: true });
    const distrusted = standingOf({ ...host, isChatty: true, trust: "Untrusted" });
    expect(distrusted).toMatchObject({ isTold: false, isTrusted: false });
  });

  it("of a member is that of a peer who is told, unless the configuration says no", () => {
    expect(standingOf({ ...host, isMember: true })).toMatchObject({
      ...{ level: "Endpoint", isTold: true, isTrusted: false, isMember: true },
    });
    const distrusted = standingOf({ ...host, isMember: true, trust: "Untrusted" });
    expect(distrusted).toMatchObject({ isTold: false, isMember: false });
  });
});

describe("what is believed", () => {
  const about = { subject: "X", ttlS: 255 };
  const candidate: Fact = {
    ...about,
    ...{ attribute: "candidate", kind: "host", ageS: 0 },
    endpoint: { address: "192.0.2.1", family: 4, port: 1 },
  };
  const alive: Fact = { ...about, attribute: "alive", boot: 1n, wantsAll: false };
  const roster: Fact = { ...about, attribute: "roster", hash: new Uint8Array(32) };

  it("is what a host says of itself, whoever it is", () => {
    for (const fact of [candidate, alive, roster])
      expect(isBelieved(fact, "X", "Untrusted", false)).toBe(true);
  });

  it("is not what others say of it, but for where it is", () => {
    for (const fact of [alive, roster]) expect(isBelieved(fact, "B", "DelegateTrust", true)).toBe(false);
  });

  it.each([
    ["Untrusted", false, false],
    ["Endpoint", true, false],
    ["AllowedIPs", true, false],
    ["Membership", true, true],
    ["DelegateTrust", true, true],
  ] satisfies [TrustLevel, boolean, boolean][])(
    "of a sender of level %s: of a peer %s, of a stranger %s",
    (level, known, unknown) => {
      expect(isBelieved(candidate, "B", level, true)).toBe(known);
      expect(isBelieved(candidate, "B", level, false)).toBe(unknown);
    },
  );
});
