import { expect, it } from "vitest";
import { noChanges } from "../../src/device/changes.js";
import { type Command, formatCommand } from "../../src/device/command.js";
import { NarrowRoutes } from "../../src/device/narrow-routes.js";
import type { Link, Route } from "../../src/device/network.js";
import type { DevicePeer } from "../../src/device/state.js";
import { type Prefix, parsePrefix } from "../../src/ip/prefix.js";

const signal = new AbortController().signal;
const prefix = (text: string): Prefix => parsePrefix(text) ?? expect.fail(text);
const IPS = ["10.9.0.2/32", "fd00::2/128"].map(prefix);

const LINK: Link = {
  ...{ index: 7, name: "wg0", isUp: true, isLoopback: false, mtu: 1280, kind: "wireguard", addresses: [] },
};

function route(destination: string): Route {
  const known = { devices: ["wg0"], gateway: undefined, table: "main", metric: 0, protocol: "kernel" };
  return { ...known, destination: prefix(destination), family: destination.includes(":") ? 6 : 4 };
}

function peer(...allowedIps: readonly Prefix[]): DevicePeer {
  return {
    ...{ publicKey: "peer", endpoint: undefined, endpointText: undefined, allowedIps },
    ...{ lastHandshake: undefined, receivedBytes: 0, sentBytes: 0, keepaliveS: 0, presharedKey: undefined },
  };
}

it("routes with a smaller MTU stay while a peer has the allowed IPs that it had, also those without such a route", async () => {
  const commands: string[] = [];
  const routes = new NarrowRoutes({
    name: "wg0",
    reader: {
      link: async () => LINK,
      routes: async () => [route("10.9.0.0/24"), route("192.0.2.0/24"), route("fd00::/64")],
    },
    changer: {
      run: async (command: Command) => {
        commands.push(formatCommand(command));
        return "";
      },
    },
    journal: { changes: noChanges("7"), keep: async () => {} },
  });
  await routes.add("peer", IPS, 60, signal);
  // IPv6 has no MTU below 1280.
  expect(commands).toEqual(["ip route prepend 10.9.0.2/32 dev wg0 proto 173 mtu 1216"]);
  await routes.refresh([peer(...IPS.toReversed())], signal);
  expect(commands).toHaveLength(1);
  await routes.refresh([peer(...IPS, prefix("192.0.2.0/24"))], signal);
  expect(commands.slice(1)).toEqual([
    "ip route del 10.9.0.2/32 dev wg0 proto 173",
    "ip route prepend 10.9.0.2/32 dev wg0 proto 173 mtu 1216",
    "ip route prepend 192.0.2.0/24 dev wg0 proto 173 mtu 1216",
  ]);
  await routes.refresh([], signal);
  expect(commands.slice(4)).toEqual([
    "ip route del 10.9.0.2/32 dev wg0 proto 173",
    "ip route del 192.0.2.0/24 dev wg0 proto 173",
  ]);
});
