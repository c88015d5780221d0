import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  parseLinks,
  parseNeighbours,
  parseNetwork,
  parseRoutes,
  parseWay,
} from "../../src/device/network.js";
import { MeshError } from "../../src/errors.js";
import { formatPrefix } from "../../src/ip/prefix.js";

const ETH0 = {
  ifindex: 4,
  ifname: "eth0",
  flags: ["BROADCAST", "MULTICAST", "UP", "LOWER_UP"],
  mtu: 1400,
  operstate: "UP",
  linkinfo: { info_kind: "veth" },
  addr_info: [
    { family: "inet", local: "192.0.2.2", prefixlen: 24, scope: "global", label: "eth0" },
    {
      family: "inet6",
      local: "2001:db8:0::2",
      prefixlen: 64,
      scope: "global",
      temporary: true,
      deprecated: true,
    },
    { family: "inet", local: "192.0.2.2", prefixlen: 33, scope: "global" },
    { family: "bridge" },
  ],
};

const ROUTES = [
  { dst: "default", gateway: "192.0.2.1", dev: "eth0", flags: [] },
  { dst: "default", gateway: "fe80::1", dev: "eth0", metric: 1024, flags: [], pref: "medium" },
  { dst: "default", dev: "tun0", metric: 1024, flags: [], pref: "medium" },
  { dst: "10.9.0.0/24", dev: "wg0", protocol: "kernel", scope: "link", prefsrc: "10.9.0.1", table: 51820 },
  {
    dst: "default",
    nexthops: [
      { gateway: "192.0.2.1", dev: "eth0" },
      { gateway: "198.51.100.1", dev: "eth1" },
    ],
  },
  { type: "blackhole", dst: "198.18.0.0/15" },
  { type: "local", dst: "192.0.2.2", dev: "eth0", table: "local" },
  { type: "broadcast", dst: "192.0.2.255", dev: "eth0", table: "local" },
  { dst: "something of another kind", dev: "eth0" },
];

describe("what `ip -j` says", () => {
  it("of interfaces", () => {
    const down = { ...ETH0, ifname: "eth1", operstate: "DOWN", linkinfo: undefined, addr_info: undefined };
    expect(parseLinks(JSON.stringify([ETH0, down, {}, null]))).toEqual([
      {
        index: 4,
        name: "eth0",
        isUp: true,
        isLoopback: false,
        mtu: 1400,
        kind: "veth",
        addresses: [
          { address: "192.0.2.2", family: 4, bits: 24, scope: "global", isTemporary: false, isUsable: true },
          {
            address: "2001:db8::2",
            family: 6,
            bits: 64,
            scope: "global",
            isTemporary: true,
            isUsable: false,
          },
        ],
      },
      expect.objectContaining({ name: "eth1", isUp: false, kind: undefined, addresses: [] }),
    ]);
  });

  it("of routes: those that lead away, each with its family, also the default ones", () => {
    const routes = parseRoutes(JSON.stringify(ROUTES));
    expect(
      routes.map(({ destination, devices, table }) => [formatPrefix(destination), devices, table]),
    ).toEqual([
      ["0.0.0.0/0", ["eth0"], "main"],
      ["::/0", ["eth0"], "main"],
      ["::/0", ["tun0"], "main"],
      ["10.9.0.0/24", ["wg0"], "51820"],
      ["0.0.0.0/0", ["eth0", "eth1"], "main"],
      ["198.18.0.0/15", [], "main"],
    ]);
  });

  it("of neighbours: those whose link-layer address is known", () => {
    const shown = [
      { dst: "FE80:0::1", lladdr: "76:2d:a6:47:b6:66", state: ["REACHABLE"] },
      { dst: "2001:db8:1::1", lladdr: "76:2d:a6:47:b6:66", state: ["STALE"] },
      { dst: "2001:db8:1::9", state: ["FAILED"] },
      { dst: "no address", lladdr: "76:2d:a6:47:b6:67" },
    ];
    expect([...parseNeighbours(JSON.stringify(shown))]).toEqual([
      ["fe80::1", "76:2d:a6:47:b6:66"],
      ["2001:db8:1::1", "76:2d:a6:47:b6:66"],
    ]);
  });

  it("of one way", () => {
    expect(parseWay('[{"dst":"1.1.1.1","gateway":"192.0.2.1","dev":"eth0","prefsrc":"192.0.2.2"}]')).toEqual({
      device: "eth0",
      source: "192.0.2.2",
      gateway: "192.0.2.1",
    });
    expect(parseWay('[{"type":"unreachable","dst":"1.1.1.1","dev":"lo"}]')).toBeUndefined();
    expect(parseWay("")).toBeUndefined();
  });

  it.each([
    ["links", parseLinks],
    ["both, on two lines", parseNetwork],
    ["routes", parseRoutes],
    ["a way", parseWay],
    ["neighbours", parseNeighbours],
  ])(
    "is refused, or what is not understood of it left out, when it is something else: %s",
    (_name, parse) => {
      const hostile = fc.jsonValue().map((one) => JSON.stringify(one));
      const entry = fc.record(
        Object.fromEntries(
          [
            "ifindex",
            "ifname",
            "flags",
            "mtu",
            "addr_info",
            "dst",
            "dev",
            "gateway",
            "nexthops",
            "lladdr",
            "priority",
            "fwmark",
          ].map((field) => [
            field,
            fc.oneof(fc.jsonValue(), fc.constantFrom("eth0", "::", "default", 4, [], ["UP"])),
          ]),
        ),
        { requiredKeys: [] },
      );
      const list = fc.array(entry).map((one) => JSON.stringify(one));
      const lines = fc.array(fc.oneof(hostile, list), { maxLength: 3 }).map((some) => some.join("\n"));
      fc.assert(
        fc.property(fc.oneof(hostile, list, lines, fc.string()), (text) => {
          try {
            parse(text);
          } catch (error) {
            if (!(error instanceof MeshError)) throw error;
            expect(error.code).toBe("COMMAND_FAILED");
          }
        }),
        { numRuns: 200 },
      );
    },
  );
});
