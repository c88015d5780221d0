import { describe, expect, it } from "vitest";
import { formatCommand } from "../../src/device/command.js";
import { type AddedMembers, type MemberPeer, planMembers, undoMembers } from "../../src/device/members.js";
import { type Network, parseLinks, parseRoutes } from "../../src/device/network.js";
import type { DevicePeer, DeviceState } from "../../src/device/state.js";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { formatPrefix, type Prefix, parsePrefix } from "../../src/ip/prefix.js";
import { keyOf } from "../support/roster.js";

const SUBNET = "192.168.7.0/24";

const prefixes = (...texts: readonly string[]): Prefix[] => texts.flatMap((text) => parsePrefix(text) ?? []);

interface RouteText {
  readonly dst: string;
  readonly dev: string;
  readonly gateway?: string;
  readonly protocol?: string;
}

/** A host in 203.0.113.0/24, with routes besides. */
function hostWith(...routes: readonly RouteText[]): Network {
  const link = (ifname: string, text: string, index: number): unknown => {
    const [local, bits] = text.split("/");
    const addr_info = [{ local, prefixlen: Number(bits), scope: "global" }];
    return { ifindex: index, ifname, flags: ["UP"], mtu: 1280, addr_info };
  };
  const links = [link("eth0", "203.0.113.5/24", 2), link("wg0", "10.9.0.1/24", 3)];
  const standing = [
    { dst: "default", dev: "eth0", gateway: "203.0.113.1" },
    { dst: "203.0.113.0/24", dev: "eth0" },
  ];
  return {
    links: parseLinks(JSON.stringify(links)),
    routes: parseRoutes(JSON.stringify([...standing, ...routes])),
  };
}

function peer(name: string, allowedIps: readonly string[], endpoint?: string): DevicePeer {
  return {
    ...{ publicKey: keyOf(name), presharedKey: undefined, endpointText: endpoint },
    ...{ endpoint: endpoint === undefined ? undefined : parseEndpoint(endpoint) },
    ...{ allowedIps: prefixes(...allowedIps), lastHandshake: undefined },
    ...{ receivedBytes: 0, sentBytes: 0, keepaliveS: 0 },
  };
}

function stateWith(...peers: readonly DevicePeer[]): DeviceState {
  return { name: "wg0", privateKey: undefined, publicKey: undefined, listenPort: 1, fwmark: 0, peers };
}

/** The member `hr`, which carries subnets. */
function carrier(...routes: readonly string[]): MemberPeer {
  return { publicKey: keyOf("hr"), allowedIps: prefixes("10.9.0.3/32"), routes: prefixes(...routes) };
}

const ADDED: AddedMembers = { added: [keyOf("hr")], addresses: [] };
const ADDRESSES = [{ address: "10.9.0.1", prefix: prefixes("10.9.0.0/24")[0] as Prefix }];

function planned(
  peers: readonly MemberPeer[],
  network: Network,
  state: DeviceState,
  before: AddedMembers = ADDED,
): { readonly lines: string[]; readonly unused: string[] } {
  const link = network.links.find(({ name }) => name === "wg0");
  if (link === undefined) throw new Error("there is no wg0");
  const plan = planMembers({ addresses: ADDRESSES, peers }, link, network, state, before);
  return {
    lines: plan.commands.map(formatCommand),
    unused: plan.unused.map(({ prefix, because }) => `${formatPrefix(prefix)}: ${because}`),
  };
}

const HR = keyOf("hr");
const ADDED_ROUTE = { dst: SUBNET, dev: "wg0", protocol: "174" };

describe("a subnet behind a member", () => {
  it("is an allowed IP of the member, and a route by the interface", () => {
    const { lines, unused } = planned([carrier(SUBNET, "fd12::/48")], hostWith(), stateWith(), {
      ...ADDED,
      added: [],
    });
    expect(lines).toEqual([
      `wg set wg0 peer ${HR} allowed-ips 10.9.0.3/32,${SUBNET},fd12::/48`,
      `ip route append ${SUBNET} dev wg0 proto 174`,
      "ip route append fd12::/48 dev wg0 proto 174",
    ]);
    expect(unused).toEqual([]);
  });

  it("needs nothing more once it is there, also by a route of somebody else", () => {
    const state = stateWith(peer("hr", ["10.9.0.3/32", SUBNET]));
    for (const protocol of ["174", "static"]) {
      const network = hostWith({ ...ADDED_ROUTE, protocol });
      expect(planned([carrier(SUBNET)], network, state).lines).toEqual([]);
    }
  });

  it("has a route besides the one with a smaller MTU", () => {
    const state = stateWith(peer("hr", ["10.9.0.3/32", SUBNET]));
    const network = hostWith({ ...ADDED_ROUTE, protocol: "173" });
    expect(planned([carrier(SUBNET)], network, state).lines).toEqual([
      `ip route append ${SUBNET} dev wg0 proto 174`,
    ]);
  });

  it("goes with its route alone when the member carries it no more", () => {
    const state = stateWith(peer("hr", ["10.9.0.3/32", SUBNET]));
    const network = hostWith(ADDED_ROUTE, { dst: "192.168.9.0/24", dev: "wg0", protocol: "static" });
    expect(planned([carrier()], network, state).lines).toEqual([
      `wg set wg0 peer ${HR} allowed-ips 10.9.0.3/32`,
      `ip route del ${SUBNET} dev wg0 proto 174`,
    ]);
  });

  it("moves from one member to another", () => {
    const other = { publicKey: keyOf("hs"), allowedIps: prefixes("10.9.0.4/32"), routes: prefixes(SUBNET) };
    const state = stateWith(peer("hr", ["10.9.0.3/32", SUBNET]), peer("hs", ["10.9.0.4/32"]));
    const before = { added: [HR, keyOf("hs")], addresses: [] };
    expect(planned([carrier(), other], hostWith(ADDED_ROUTE), state, before).lines).toEqual([
      `wg set wg0 peer ${HR} allowed-ips 10.9.0.3/32 peer ${keyOf("hs")} allowed-ips 10.9.0.4/32,${SUBNET}`,
    ]);
  });

  it.each([
    ["203.0.113.0/24", "this host is in 203.0.113.0/24 itself, by eth0"],
    ["203.0.0.0/16", "this host is in 203.0.113.0/24 itself, by eth0"],
    ["203.0.113.128/25", "this host is in 203.0.113.0/24 itself, by eth0"],
    ["10.2.0.0/16", "the gateway 10.2.0.1 of this host is in it"],
    ["10.3.0.0/16", "this host has a route of its own to it, by eth0"],
    ["10.4.0.0/16", "the tunnel to a peer goes to 10.4.0.9:51820, which is in it"],
    ["10.5.0.0/16", "it is an allowed IP of a peer that this interface has besides the members"],
  ])("is left out, and the others stay: %s", (text, because) => {
    const network = hostWith(
      { dst: "10.99.0.0/16", dev: "eth0", gateway: "10.2.0.1" },
      { dst: "10.3.0.0/16", dev: "eth0" },
    );
    const state = stateWith(peer("hr", []), peer("hand-made", ["10.5.0.0/16"], "10.4.0.9:51820"));
    const { lines, unused } = planned([carrier(text, SUBNET)], network, state);
    expect(unused).toEqual([`${text}: ${because}`]);
    expect(lines).toEqual([
      `wg set wg0 peer ${HR} allowed-ips 10.9.0.3/32,${SUBNET}`,
      `ip route append ${SUBNET} dev wg0 proto 174`,
    ]);
  });

  it("is taken out when the host comes into it", () => {
    const state = stateWith(peer("hr", ["10.9.0.3/32", "203.0.113.0/24"]));
    const network = hostWith({ dst: "203.0.113.0/24", dev: "wg0", protocol: "174" });
    expect(planned([carrier("203.0.113.0/24")], network, state).lines).toEqual([
      `wg set wg0 peer ${HR} allowed-ips 10.9.0.3/32`,
      "ip route del 203.0.113.0/24 dev wg0 proto 174",
    ]);
  });

  it("is undone at the end, and routes of others are not", () => {
    const network = hostWith(ADDED_ROUTE, { dst: "192.168.9.0/24", dev: "wg0", protocol: "static" });
    const link = network.links.find(({ name }) => name === "wg0");
    if (link === undefined) throw new Error("there is no wg0");
    const lines = undoMembers(link, network, stateWith(peer("hr", [SUBNET])), ADDED).map(formatCommand);
    expect(lines).toEqual([`ip route del ${SUBNET} dev wg0 proto 174`, `wg set wg0 peer ${HR} remove`]);
  });
});
