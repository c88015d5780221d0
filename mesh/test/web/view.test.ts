import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import { changesBetween } from "../../src/web/changes.js";
import { MAX_SHOWN, viewOf } from "../../src/web/view.js";
import { directPeer, KEY_A, someInfo, unmetPeer } from "../support/fake-mesh.js";
import { keyOf, networkOf, peerOf } from "../support/web-daemon.js";

const LONGEST = "x".repeat(4096);

describe("what the page shows", () => {
  it("is in words, sorted by name", () => {
    const peers = [directPeer({ name: "zoe" }), unmetPeer({ name: "ann" })];
    const view = viewOf(someInfo({ peers }), undefined);
    expect(view.peers.map(({ name, path, kind, reason }) => [name, path, kind, reason])).toEqual([
      ["ann", "no path", undefined, "it has not been met: nothing was heard of it yet"],
      ["zoe", "direct NAT", "nat", undefined],
    ]);
    expect(view.host).toContainEqual(["Brokers", "1 of 2 connected"]);
    expect(view.host).toContainEqual(["Not connected", "other.example:1883: connection refused"]);
    expect(view.peers[1]?.addresses).toEqual(["10.9.0.2"]);
  });

  it("names the relay, and whom this host relays for", () => {
    const path = { kind: "relay", endpoint: "[fe80::1]:9", roundTripMs: 3, since: 0, relay: KEY_A } as const;
    const peers = [directPeer({ name: "hub" }), unmetPeer({ state: "relayed", path, name: "far" })];
    const session = { endpoint: "", since: 0, isOpen: true, packets: 1, bytes: 1, dropped: 0 };
    const pair = peers.map(({ publicKey }) => publicKey) as [string, string];
    const view = viewOf(someInfo({ peers, relaying: [{ ...session, peers: pair }] }), undefined);
    expect(view.peers[0]?.path).toBe("relayed by hub");
    expect(view.host).toContainEqual(["Relays for", "hub and far"]);
  });

  it("has a bound, whatever the daemon says, and does not take long", () => {
    const long = { name: LONGEST, reason: LONGEST, allowedIps: Array(50).fill(LONGEST) };
    const peers = Array.from({ length: 20_000 }, (_, i) => peerOf(i, 0, { publicKey: keyOf(i), ...long }));
    const brokers = Array(500).fill({ host: LONGEST, port: 1, state: "x", error: LONGEST });
    const info = someInfo({ peers, brokers, troubles: Array(500).fill(LONGEST) });
    const [member] = networkOf(someInfo()).members;
    const members = Array(20_000).fill({ ...member, name: LONGEST, addresses: Array(50).fill(LONGEST) });
    const network = networkOf(someInfo(), { members, rules: Array(5000).fill(LONGEST) });
    const startedAt = performance.now();
    const view = viewOf(info, network);
    expect(performance.now() - startedAt).toBeLessThan(atOurPace(250));
    expect([view.peers.length, view.peerCount]).toEqual([MAX_SHOWN, 20_000]);
    expect([view.network?.members.length, view.network?.memberCount]).toEqual([MAX_SHOWN, 20_000]);
    expect(view.troubles.at(-1)).toBe("and 468 more");
    expect(JSON.stringify(view).length).toBeLessThan(5e6);
  });

  it("has no character that steers, in any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const peers = [directPeer({ name: text }), unmetPeer({ reason: text, allowedIps: [text] })];
        const view = viewOf(someInfo({ peers, troubles: [text] }), undefined);
        const all = view.peers.flatMap(({ name, reason = "", addresses }) => [name, reason, ...addresses]);
        for (const one of [...all, ...view.troubles]) expect(one).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
      }),
    );
  });
});

describe("what is new", () => {
  const view = (...names: readonly string[]): ReturnType<typeof viewOf> => {
    const peers = names.map((name) => directPeer({ name, publicKey: name }));
    return viewOf(someInfo({ peers }), undefined);
  };

  it("is told one by one, up to a bound", () => {
    expect(changesBetween(view("a", "b"), view("b", "c"))).toEqual([
      "c is a peer now",
      "a is no peer any more",
    ]);
    const many = Array.from({ length: 100 }, (_, i) => `p${i}`);
    const changes = changesBetween(view(), view(...many));
    expect(changes.length).toBe(21);
    expect(changes.at(-1)).toBe("80 more changes at the same time");
  });

  it("is nothing between the same", () => {
    expect(changesBetween(view("a"), view("a"))).toEqual([]);
  });
});
