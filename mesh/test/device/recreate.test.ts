import { describe, expect, it } from "vitest";
import { formatCommand } from "../../src/device/command.js";
import type { NewInterface, NewPeer } from "../../src/device/create.js";
import { planRecreation } from "../../src/device/recreate.js";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { type Prefix, parsePrefix } from "../../src/ip/prefix.js";
import { parseKey } from "../../src/wireguard-key.js";
import { KEY_A, KEY_B } from "../support/fake-mesh.js";

const prefixes = (...texts: readonly string[]): Prefix[] => texts.flatMap((text) => parsePrefix(text) ?? []);

function peer(publicKey: string, ips: readonly string[], more: Partial<NewPeer> = {}): NewPeer {
  return { publicKey: parseKey(publicKey), allowedIps: prefixes(...ips), ...more };
}

function made(peers: readonly NewPeer[], address = "10.9.0.1"): NewInterface {
  return {
    privateKey: new Uint8Array(32).fill(1),
    addresses: prefixes("10.9.0.0/24").map((prefix) => ({ address, prefix })),
    peers,
  };
}

function planned(
  before: NewInterface,
  after: NewInterface,
  { kept = [], routed = [] }: { kept?: readonly string[]; routed?: readonly string[] } = {},
): string[] {
  return planRecreation("wg0", before, after, {
    isKept: (key) => kept.includes(key),
    routed: prefixes(...routed),
  }).commands.map(formatCommand);
}

describe("other settings for an interface that was made here", () => {
  const a = peer(KEY_A, ["10.9.0.2/32", "10.77.0.0/16"]);
  const endpoint = parseEndpoint("192.0.2.1:51820");
  const presharedKey = new Uint8Array(32).fill(2);

  it("are none when only the order and the places of peers have changed", () => {
    const same = peer(KEY_A, ["10.77.0.0/16", "10.9.0.2/32"], { endpoint });
    const b = peer(KEY_B, ["10.9.0.3/32"], { presharedKey });
    expect(planned(made([a, b]), made([b, same]))).toEqual([]);
  });

  it("add a peer with its place, and remove one that nobody else needs", () => {
    const b = peer(KEY_B, ["10.9.0.3/32"], { endpoint });
    expect(planned(made([a]), made([b]), { routed: ["10.77.0.0/16"] })).toEqual([
      `wg set wg0 peer ${KEY_A} remove`,
      `wg set wg0 peer ${KEY_B} endpoint 192.0.2.1:51820 allowed-ips 10.9.0.3/32`,
      "ip route del 10.77.0.0/16 dev wg0",
    ]);
    expect(planned(made([a]), made([]), { kept: [KEY_A] })).toEqual([]);
  });

  it("change a peer in its place, with its session and its endpoint", () => {
    const changed = peer(KEY_A, ["10.9.0.2/32"], { endpoint, presharedKey });
    expect(planned(made([a]), made([changed]))).toEqual([
      `wg set wg0 peer ${KEY_A} preshared-key /dev/stdin allowed-ips 10.9.0.2/32 <<< "(a secret key)"`,
    ]);
    expect(planned(made([changed]), made([peer(KEY_A, ["10.9.0.2/32"])]))).toEqual([
      `wg set wg0 peer ${KEY_A} preshared-key /dev/null allowed-ips 10.9.0.2/32`,
    ]);
  });

  it("change the own address", () => {
    expect(planned(made([a]), made([a], "10.9.0.7"))).toEqual([
      "ip addr del 10.9.0.1/24 dev wg0",
      "ip addr replace 10.9.0.7/24 dev wg0",
    ]);
  });
});
