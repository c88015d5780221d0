import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { localAddresses } from "../../src/candidates/interfaces.js";
import { type Link, parseLinks, parseRoutes } from "../../src/device/network.js";

interface Shown {
  readonly kind?: string;
  readonly flags?: readonly string[];
  readonly state?: string;
}

/** An interface as `ip -j -d addr` shows it. */
function shown(
  name: string,
  addresses: readonly string[],
  { kind, flags = ["UP", "LOWER_UP"], state = "UP" }: Shown = {},
) {
  return {
    ifindex: 1,
    ifname: name,
    flags,
    mtu: 1500,
    operstate: state,
    ...(kind !== undefined && { linkinfo: { info_kind: kind } }),
    addr_info: addresses.map((text) => {
      const [address = "", bits, ...words] = text.split(/[/ ]/);
      const isTrue = Object.fromEntries(words.map((word) => [word, true]));
      const scope = address.startsWith("fe80") ? "link" : "global";
      return {
        family: address.includes(":") ? "inet6" : "inet",
        local: address,
        prefixlen: Number(bits),
        scope,
        ...isTrue,
      };
    }),
  };
}

const linksOf = (...all: readonly object[]): Link[] => parseLinks(JSON.stringify(all));
const routesOf = (...all: readonly object[]) => parseRoutes(JSON.stringify(all));
const DEFAULT = { dst: "default", gateway: "192.168.1.1", dev: "eth0" };

const addressesOf = (...args: Parameters<typeof localAddresses>): string[] =>
  localAddresses(...args).map(({ address }) => address);

describe("the own addresses that are announced", () => {
  it("are those of the default route's interface first, guests' and tunnels' last", () => {
    const links = linksOf(
      shown("lo", ["127.0.0.1/8"], { flags: ["LOOPBACK", "UP"] }),
      shown("docker0", ["172.17.0.1/16"], { kind: "bridge" }),
      shown("tun0", ["10.8.0.2/24"], { kind: "tun", state: "UNKNOWN" }),
      shown("wg0", ["10.9.0.1/24", "fd09::1/64"], { kind: "wireguard", state: "UNKNOWN" }),
      shown("wg1", ["10.7.0.1/24"], { kind: "wireguard", state: "UNKNOWN" }),
      shown("eth1", ["10.2.0.5/24"]),
      shown("eth0", ["192.168.1.2/24", "fe80::1/64"]),
      shown("eth2", ["10.3.0.5/24"], { flags: ["UP", "NO-CARRIER"], state: "DOWN" }),
    );
    expect(addressesOf(links, routesOf(DEFAULT), "wg0")).toEqual([
      "192.168.1.2",
      "10.2.0.5",
      "172.17.0.1",
      "10.8.0.2",
      "10.7.0.1",
    ]);
  });

  it("are the card of a container, too, which is a veth", () => {
    const links = linksOf(
      shown("docker0", ["172.17.0.1/16"]),
      shown("eth0", ["10.0.0.2/24"], { kind: "veth" }),
    );
    expect(addressesOf(links, routesOf(DEFAULT), "wg0")[0]).toBe("10.0.0.2");
  });

  it("are stable before they are temporary, and not those that are over or not yet there", () => {
    const links = linksOf(
      shown("eth0", [
        "2001:db8::aaaa/64 temporary",
        "2001:db8::1/64 mngtmpaddr",
        "2001:db8::2/64 deprecated",
        "2001:db8::3/64 tentative",
        "2001:db8::4/64 dadfailed",
        "::ffff:127.0.0.1/128",
        "169.254.3.4/16",
      ]),
    );
    expect(addressesOf(links, [], "wg0")).toEqual(["2001:db8::1", "2001:db8::aaaa"]);
  });

  it("are none of a network that is reached through the overlay, unless that is everything", () => {
    const links = linksOf(
      shown("wg0", ["10.9.0.1/24"], { kind: "wireguard" }),
      shown("eth0", ["192.168.1.2/24"]),
      shown("br0", ["10.9.0.77/24", "10.44.0.1/24"], { kind: "bridge" }),
    );
    const routes = routesOf(
      DEFAULT,
      { dst: "10.44.0.0/16", dev: "wg0" },
      { dst: "default", dev: "wg0", table: "51820" },
      { dst: "0.0.0.0/1", dev: "wg0" },
      { dst: "128.0.0.0/1", dev: "wg0" },
    );
    expect(addressesOf(links, routes, "wg0")).toEqual(["192.168.1.2"]);
  });

  it("has the LAN's among them, however many bridges there are", () => {
    const guests = Array.from({ length: 40 }, (_, i) =>
      shown(`br-${i}`, [`172.20.${i}.1/24`], { kind: "bridge" }),
    );
    const links = linksOf(...guests, shown("enp3s0", ["192.168.1.2/24"]));
    const found = addressesOf(links, [], "wg0");
    expect(found).toHaveLength(8);
    expect(found[0]).toBe("192.168.1.2");
  });

  it("tell the network that each is in", () => {
    const links = linksOf(shown("eth0", ["192.168.1.2/24"]));
    const [{ network, family } = { network: undefined, family: undefined }] = localAddresses(
      links,
      [],
      "wg0",
    );
    expect(family).toBe(4);
    expect(network).toEqual({ address: Uint8Array.of(192, 168, 1, 0), bits: 24 });
  });

  it("are at most 8 and never the overlay's, whatever there is", () => {
    const link = fc
      .tuple(
        fc.constantFrom("eth0", "wg0", "docker0", "tun1", "x"),
        fc.constantFrom(undefined, "wireguard", "bridge", "tun"),
        fc.array(fc.tuple(fc.ipV4(), fc.nat(32)).map(([address, bits]) => `${address}/${bits}`)),
      )
      .map(([name, kind, addresses]) => shown(name, addresses, kind === undefined ? {} : { kind }));
    fc.assert(
      fc.property(fc.array(link), (all) => {
        const links = linksOf(...all);
        const found = addressesOf(links, routesOf(DEFAULT), "wg0");
        expect(found.length).toBeLessThanOrEqual(8);
        const own = links.filter(({ name }) => name === "wg0").flatMap(({ addresses }) => addresses);
        for (const { address, bits } of own) if (bits > 1) expect(found).not.toContain(address);
      }),
    );
  });
});
