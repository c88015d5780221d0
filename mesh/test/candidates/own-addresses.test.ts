import { expect, it, onTestFinished, vi } from "vitest";
import { OwnAddresses } from "../../src/candidates/own-addresses.js";
import { StunClient } from "../../src/candidates/stun-client.js";
import { parseLinks, parseRoutes, type Route } from "../../src/device/network.js";

const link = (name: string, address: string): object => ({
  ifindex: 1,
  ifname: name,
  flags: ["UP"],
  mtu: 1500,
  operstate: "UP",
  addr_info: [{ local: address, prefixlen: 24, scope: "global" }],
});
const LINKS = parseLinks(JSON.stringify([link("eth0", "192.168.1.2"), link("wg0", "10.9.0.1")]));
const routes = (...all: readonly object[]): Route[] => parseRoutes(JSON.stringify(all));
const LAN = { dst: "192.168.1.0/24", dev: "eth0" };
const DEFAULT = { dst: "default", gateway: "192.168.1.1", dev: "eth0" };

it("says that the host has moved when its ways out or WireGuard's port are others, at the same addresses", () => {
  const own = new OwnAddresses("wg0", new StunClient([], { send: () => false }), () => false);
  const look = (port: number, ...all: readonly object[]): string | undefined =>
    own.look({ links: LINKS, routes: routes(...all) }, port);
  // The first look is where the host is, not where it has moved to; here before there is any network.
  expect(look(51_820, LAN)).not.toBe("moved");
  expect(look(51_820, LAN)).toBeUndefined();
  expect(look(51_820, LAN, DEFAULT)).toBe("moved");
  expect(look(51_820, LAN, DEFAULT)).toBeUndefined();
  expect(look(51_820, LAN, { ...DEFAULT, gateway: "192.168.1.254" })).toBe("moved");
  expect(look(51_821, LAN, { ...DEFAULT, gateway: "192.168.1.254" })).toBe("moved");
  // A VPN takes the default route's place without a change of it.
  const GATEWAY = { ...DEFAULT, gateway: "192.168.1.254" };
  for (const dst of ["0.0.0.0/1", "128.0.0.0/1", "2000::/3"]) {
    expect(look(51_821, LAN, GATEWAY, { dst, dev: "tun0" })).toBe("moved");
    expect(look(51_821, LAN, GATEWAY, { dst, dev: "tun0" })).toBeUndefined();
  }
  expect(look(51_821, LAN, GATEWAY)).toBe("moved");
  // What goes into the tunnel is no way out of it.
  const inTunnel = { dst: "default", dev: "wg0", table: "51820" };
  expect(look(51_821, LAN, { ...DEFAULT, gateway: "192.168.1.254" }, inTunnel)).toBeUndefined();
});

it("says that the host has moved when other rules choose among its ways out", () => {
  const own = new OwnAddresses("wg0", new StunClient([], { send: () => false }), () => false);
  const network = { links: LINKS, routes: routes(LAN, DEFAULT, { ...DEFAULT, dev: "eth1", table: "100" }) };
  const look = (rules?: string): string | undefined => own.look({ ...network, rules }, 51_820);
  expect(look()).not.toBe("moved");
  // The first look at them tells nothing, nor does one that had no time for them.
  expect(look('[{"priority":32766,"table":"main"}]')).toBeUndefined();
  expect(look()).toBeUndefined();
  expect(look('[{"priority":32766,"table":"main"}]')).toBeUndefined();
  expect(look('[{"priority":99,"table":"100"},{"priority":32766,"table":"main"}]')).toBe("moved");
  expect(look()).toBeUndefined();
});

it("asks STUN servers only while somebody needs the answers, and at once when that begins", async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  let rounds = 0;
  let isNeeded = true;
  const stun = new StunClient([], { send: () => false });
  vi.spyOn(stun, "ask").mockImplementation(async () => {
    rounds++;
    return { seen: [], verdict: "unknown" };
  });
  const own = new OwnAddresses(
    "wg0",
    stun,
    () => true,
    undefined,
    () => isNeeded,
  );
  onTestFinished(() => own.close());
  await own.ask();
  await vi.advanceTimersByTimeAsync(25_000);
  expect(rounds).toBe(2);
  isNeeded = false;
  await vi.advanceTimersByTimeAsync(3_600_000);
  own.needed();
  expect(rounds).toBe(2);
  isNeeded = true;
  own.needed();
  await vi.advanceTimersByTimeAsync(0);
  expect(rounds).toBe(3);
  await vi.advanceTimersByTimeAsync(25_000);
  expect(rounds).toBe(4);
});
