import { describe, expect, it } from "vitest";
import { formatCommand } from "../../src/device/command.js";
import { planLinkLocals, undoLinkLocals } from "../../src/device/link-locals.js";
import type { Link } from "../../src/device/network.js";
import type { DevicePeer, DeviceState } from "../../src/device/state.js";
import { parsePrefix } from "../../src/ip/prefix.js";
import { linkLocalAddress } from "../../src/overlay/link-local.js";
import { formatKey } from "../../src/wireguard-key.js";
import { newHostKeys } from "../support/keys.js";

const [own, one, other] = [newHostKeys(), newHostKeys(), newHostKeys()];
const addressOf = ({ publicKey }: { readonly publicKey: Uint8Array }): string => linkLocalAddress(publicKey);

function peer(
  { publicKey }: { readonly publicKey: Uint8Array },
  ...allowedIps: readonly string[]
): DevicePeer {
  return {
    publicKey: formatKey(publicKey),
    ...{ presharedKey: undefined, endpoint: undefined, endpointText: undefined, lastHandshake: undefined },
    ...{ receivedBytes: 0, sentBytes: 0, keepaliveS: 0 },
    allowedIps: allowedIps.flatMap((text) => parsePrefix(text) ?? []),
  };
}

const state = (...peers: readonly DevicePeer[]): DeviceState => ({
  ...{ name: "wg0", ...own, listenPort: 1, fwmark: 0, peers },
});

function link(...addresses: readonly string[]): Link {
  return {
    ...{ index: 7, name: "wg0", isUp: true, isLoopback: false, mtu: 1420, kind: "wireguard" },
    addresses: addresses.map((address) => ({
      ...{ address, family: 6, bits: 64, scope: "link", isTemporary: false, isUsable: true },
    })),
  };
}

const lines = ({ commands }: ReturnType<typeof planLinkLocals>): string[] => commands.map(formatCommand);
const NONE = { peers: [] };

describe("link-local addresses in the tunnel", () => {
  it("are added where they are missing, behind what is there, and taken away again", () => {
    const before = state(peer(one, "10.9.0.2/32", "192.168.7.0/24"), peer(other));
    const plan = planLinkLocals(link(), before, NONE);
    const keys = [one, other].map(({ publicKey }) => formatKey(publicKey));
    expect(lines(plan)).toEqual([
      `ip addr replace ${addressOf(own)}/64 dev wg0`,
      `wg set wg0 peer ${keys[0]} allowed-ips 10.9.0.2/32,192.168.7.0/24,${addressOf(one)}/128 ` +
        `peer ${keys[1]} allowed-ips ${addressOf(other)}/128`,
    ]);
    expect(plan.after).toEqual({ own: `${addressOf(own)}/64`, peers: keys });
    const now = state(
      peer(one, "10.9.0.2/32", "192.168.7.0/24", addressOf(one)),
      peer(other, addressOf(other)),
    );
    expect(planLinkLocals(link(addressOf(own)), now, plan.after).commands).toEqual([]);
    expect(undoLinkLocals(link(addressOf(own)), now, plan.after).map(formatCommand)).toEqual([
      `wg set wg0 peer ${keys[0]} allowed-ips 10.9.0.2/32,192.168.7.0/24 peer ${keys[1]} allowed-ips ''`,
      `ip addr del ${addressOf(own)}/64 dev wg0`,
    ]);
  });

  it("that were there are not ours, and stay", () => {
    const there = state(peer(one, addressOf(one)));
    const plan = planLinkLocals(link(addressOf(own)), there, NONE);
    expect(plan.commands).toEqual([]);
    expect(undoLinkLocals(link(addressOf(own)), there, plan.after)).toEqual([]);
  });

  it("are left to whoever has them", () => {
    const there = state(peer(one, addressOf(other)), peer(other, "10.9.0.3/32"));
    const plan = planLinkLocals(link(addressOf(own)), there, NONE);
    expect(lines(plan)).toEqual([
      `wg set wg0 peer ${formatKey(one.publicKey)} allowed-ips ${addressOf(other)}/128,${addressOf(one)}/128`,
    ]);
  });

  it("follow another own key, and forget a peer that is gone", () => {
    const old = { own: "fe80::7/64", peers: [formatKey(other.publicKey)] };
    const plan = planLinkLocals(link("fe80::7"), state(peer(one, addressOf(one))), old);
    expect(lines(plan)).toEqual([
      "ip addr del fe80::7/64 dev wg0",
      `ip addr replace ${addressOf(own)}/64 dev wg0`,
    ]);
    expect(plan.after).toEqual({ own: `${addressOf(own)}/64`, peers: [] });
  });
});
