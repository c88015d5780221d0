import { describe, expect, it } from "vitest";
import { ConfiguredPeers } from "../src/configured-peers.js";
import { formatCommand } from "../src/device/command.js";
import { configureCommands } from "../src/device/create.js";
import { planMembers } from "../src/device/members.js";
import { mergedPeers } from "../src/device/merged-peers.js";
import type { Link, Network } from "../src/device/network.js";
import type { DevicePeer, DeviceState } from "../src/device/state.js";
import { parseEndpoint } from "../src/ip/endpoint.js";
import { formatPrefix, parsePrefix } from "../src/ip/prefix.js";
import { linkLocalAddress } from "../src/overlay/link-local.js";
import { parseKey } from "../src/wireguard-key.js";
import { KEY_A, KEY_B, KEY_C, OWN_KEY } from "./support/fake-mesh.js";

const prefix = (text: string) => parsePrefix(text) ?? expect.fail(text);
const endpoint = parseEndpoint("192.0.2.1:51820") ?? expect.fail();

const peers = new ConfiguredPeers([
  { publicKey: parseKey(KEY_A), allowedIps: [prefix("10.9.0.2")], endpoint },
  { publicKey: parseKey(KEY_B), allowedIps: [prefix("10.9.0.3")], endpoint },
  { publicKey: parseKey(OWN_KEY), allowedIps: [prefix("10.9.0.1")] },
]);

const shown = (publicKey: string, more: Partial<DevicePeer> = {}): DevicePeer => ({
  ...{ publicKey, presharedKey: undefined, endpoint: undefined, endpointText: undefined, allowedIps: [] },
  ...{ lastHandshake: undefined, receivedBytes: 0, sentBytes: 0, keepaliveS: 0, ...more },
});

const stateOf = (...all: DevicePeer[]): DeviceState => ({
  ...{ name: "wg0", privateKey: undefined, publicKey: parseKey(OWN_KEY), listenPort: 1, fwmark: 0 },
  peers: all,
});

const link: Link = {
  ...{ index: 1, name: "wg0", isUp: true, isLoopback: false, mtu: 1420, kind: "wireguard", addresses: [] },
};
const network: Network = { links: [link], routes: [] };

function linesFor(state: DeviceState): string[] {
  const members = peers.with({ addresses: [], peers: [] }, OWN_KEY);
  const plan = planMembers(members, link, network, state, { added: [], addresses: [] });
  return plan.commands.map(formatCommand);
}

describe("peers that the configuration names", () => {
  it("are added where the interface lacks them, with the place where to begin; not the host itself", () => {
    const [line, ...more] = linesFor(stateOf(shown(KEY_B)));
    expect(more).toEqual([]);
    const own = linkLocalAddress(parseKey(KEY_A));
    expect(line).toBe(`wg set wg0 peer ${KEY_A} endpoint 192.0.2.1:51820 allowed-ips 10.9.0.2/32,${own}/128`);
  });

  it("leave to a peer that is there what it has, and what others have", () => {
    const state = stateOf(
      shown(KEY_A, { allowedIps: [prefix("10.0.0.0/8")] }),
      shown(KEY_C, { allowedIps: [prefix("10.9.0.3")] }),
    );
    const [line, ...more] = linesFor(state);
    expect(more).toEqual([]);
    expect(line).toContain(`peer ${KEY_B} endpoint`);
    expect(line).not.toContain("10.9.0.3/32");
  });

  it("are besides the members of a network; who is both is a member", () => {
    const member = { publicKey: KEY_A, allowedIps: [prefix("10.77.0.1")], routes: [] };
    const all = peers.with({ addresses: [], peers: [member] }, OWN_KEY).peers;
    expect(all.map(({ publicKey, allowedIps }) => [publicKey, allowedIps.map(formatPrefix)[0]])).toEqual([
      [KEY_A, "10.77.0.1/32"],
      [KEY_B, "10.9.0.3/32"],
    ]);
  });

  it("say where a peer is for which WireGuard has no endpoint", () => {
    const state = stateOf(shown(KEY_A), shown(KEY_B, { endpointText: "[fe80::1%eth0]:1" }), shown(KEY_C));
    expect(peers.lacking(state, new Set(), 1000)).toEqual([{ publicKey: KEY_A, endpoint }]);
    expect(peers.endpointOf(KEY_C)).toBeUndefined();
  });
});

describe("peers that have one key", () => {
  const [four, six] = [prefix("10.14.1.2"), prefix("fd14::2")];
  const publicKey = parseKey(KEY_A);

  it("are one peer with all allowed IPs, so that the next look finds nothing to do", () => {
    const both = new ConfiguredPeers([
      { publicKey, allowedIps: [four, four] },
      { publicKey, allowedIps: [six, prefix(linkLocalAddress(publicKey))], endpoint },
    ]);
    const members = both.with({ addresses: [], peers: [] }, OWN_KEY);
    const before = { added: [KEY_A], addresses: [] };
    const plan = (...there: readonly DevicePeer[]): string[] =>
      planMembers(members, link, network, stateOf(...there), before).commands.map(formatCommand);
    const own = prefix(linkLocalAddress(publicKey));
    const ips = [four, own, six].map(formatPrefix).join();
    expect(plan()).toEqual([`wg set wg0 peer ${KEY_A} endpoint 192.0.2.1:51820 allowed-ips ${ips}`]);
    expect(plan(shown(KEY_A, { allowedIps: [four, six, own] }))).toEqual([]);
  });

  it("keep the first endpoint, and say so; two preshared keys are refused", () => {
    const other = parseEndpoint("[2001:db8::1]:51820") ?? expect.fail();
    const listed = [
      { publicKey, allowedIps: [four], endpoint },
      { publicKey, allowedIps: [six], endpoint: other, presharedKey: parseKey(KEY_B) },
      { publicKey, allowedIps: [], presharedKey: parseKey(KEY_B) },
    ];
    const { peers: merged, notes } = mergedPeers(listed);
    expect(merged).toEqual([{ publicKey, allowedIps: [four, six], endpoint, presharedKey: parseKey(KEY_B) }]);
    expect(notes).toEqual([
      `peer ${KEY_A} is there twice: of its endpoints, 192.0.2.1:51820 is used, and [2001:db8::1]:51820 is not`,
    ]);
    const wrong = { publicKey, allowedIps: [], presharedKey: parseKey(KEY_C) };
    expect(() => mergedPeers([...listed, wrong])).toThrow("two preshared keys");
  });
});

describe("another place of a peer in the configuration", () => {
  const at = (text: string): ConfiguredPeers =>
    new ConfiguredPeers([
      { publicKey: parseKey(KEY_A), allowedIps: [], endpoint: parseEndpoint(text) },
      { publicKey: parseKey(KEY_B), allowedIps: [], endpoint: parseEndpoint("192.0.2.9:9") },
    ]);

  it("is where WireGuard sends, unless it has a session", () => {
    const now = at("192.0.2.2:2");
    const changed = now.changedSince(at("192.0.2.1:1"));
    expect([...changed]).toEqual([KEY_A]);
    const lacking = (lastHandshake: number | undefined): readonly string[] =>
      now
        .lacking(
          stateOf(
            shown(KEY_A, { endpointText: "192.0.2.1:1", lastHandshake }),
            shown(KEY_B, { endpointText: "192.0.2.8:8" }),
          ),
          changed,
          10_000,
        )
        .map(({ publicKey }) => publicKey);
    expect(lacking(undefined)).toEqual([KEY_A]);
    expect(lacking(10_000 - 181)).toEqual([KEY_A]);
    expect(lacking(10_000 - 100)).toEqual([]);
  });
});

describe("a preshared key of a peer in the configuration", () => {
  const presharedKey = parseKey(KEY_C);
  const configured = (key: Uint8Array | undefined, before?: ConfiguredPeers): ConfiguredPeers =>
    new ConfiguredPeers(
      [{ publicKey: parseKey(KEY_A), allowedIps: [prefix("10.9.0.2")], ...(key && { presharedKey: key }) }],
      [],
      before,
    );
  const commandsFor = (one: ConfiguredPeers, ...there: readonly DevicePeer[]): string[] => {
    const before = { added: [KEY_A], addresses: [] };
    const members = one.with({ addresses: [], peers: [] }, OWN_KEY);
    const state = stateOf(...there);
    return planMembers(members, link, network, state, before).commands.map(formatCommand);
  };
  const allowedIps = [prefix("10.9.0.2"), prefix(linkLocalAddress(parseKey(KEY_A)))];

  it("is given, changed and removed, and is never in a command line", () => {
    const set = `wg set wg0 peer ${KEY_A} preshared-key /dev/stdin <<< "(a secret key)"`;
    const has = (key: string): DevicePeer => shown(KEY_A, { allowedIps, presharedKey: key });
    const withKey = configured(presharedKey);
    expect(commandsFor(withKey)).toEqual([expect.stringContaining("allowed-ips"), set]);
    expect(commandsFor(withKey, has(KEY_B))).toEqual([set]);
    expect(commandsFor(withKey, has(KEY_C))).toEqual([]);
    const without = configured(undefined, withKey);
    expect(commandsFor(without, has(KEY_C))).toEqual([`wg set wg0 peer ${KEY_A} preshared-key /dev/null`]);
    // Somebody else has given this key to the peer.
    expect(commandsFor(configured(undefined, without), has(KEY_C))).toEqual([]);
  });
});

describe("an interface that is made", () => {
  it("gets preshared keys by standard input", () => {
    const [, peer] = configureCommands("wg0", {
      privateKey: new Uint8Array(32).fill(1),
      addresses: [],
      peers: [
        { publicKey: parseKey(KEY_A), allowedIps: [prefix("10.9.0.2")], presharedKey: parseKey(KEY_C) },
      ],
    });
    expect(peer?.args.join(" ")).toBe(
      `set wg0 peer ${KEY_A} preshared-key /dev/stdin allowed-ips 10.9.0.2/32`,
    );
    expect(peer?.input).toEqual({ text: `${KEY_C}\n`, isSecret: true });
  });
});
