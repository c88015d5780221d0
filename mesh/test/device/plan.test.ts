import { describe, expect, it } from "vitest";
import { formatCommand } from "../../src/device/command.js";
import { makeTable, removeTable, tableNameOf } from "../../src/device/nft-table.js";
import { renewPeer, restPeers, useEndpoint } from "../../src/device/plan.js";
import type { DevicePeer } from "../../src/device/state.js";
import { parsePrefix } from "../../src/ip/prefix.js";

const PEER: DevicePeer = {
  publicKey: "K=",
  presharedKey: undefined,
  endpoint: undefined,
  endpointText: undefined,
  allowedIps: ["10.9.0.2/32", "fd00::/64"].flatMap((text) => parsePrefix(text) ?? []),
  lastHandshake: undefined,
  receivedBytes: 0,
  sentBytes: 0,
  keepaliveS: 17,
};

describe("the lines that are run", () => {
  it("name a peer twice to make it send", () => {
    const line = formatCommand(useEndpoint("wg0", "K=", { endpoint: "[2001:db8::1]:7", keepaliveS: 25 }));
    expect(line).toBe(
      "wg set wg0 peer K= endpoint '[2001:db8::1]:7' persistent-keepalive 0 peer K= persistent-keepalive 25",
    );
  });

  it("make a peer anew as it was", () => {
    const change = { endpoint: "192.0.2.1:7", keepaliveS: 25 };
    expect(formatCommand(renewPeer("wg0", PEER, change))).toBe(
      "wg set wg0 peer K= remove peer K= allowed-ips 10.9.0.2/32,fd00::/64 endpoint 192.0.2.1:7 persistent-keepalive 25",
    );
    const secret = renewPeer("wg0", { ...PEER, presharedKey: "P=", allowedIps: [] }, {});
    expect(formatCommand(secret)).toBe(
      `wg set wg0 peer K= remove peer K= preshared-key /dev/stdin allowed-ips '' persistent-keepalive 17 <<< "(a secret key)"`,
    );
    expect(secret.input?.text).toBe("P=\n");
  });

  it("let peers rest, many by one line, and each that has a secret by its own", () => {
    const peers = [PEER, { ...PEER, publicKey: "S=", presharedKey: "P=" }, { ...PEER, publicKey: "L=" }];
    const anew = (key: string, secret = ""): string =>
      `peer ${key} remove peer ${key} ${secret}allowed-ips 10.9.0.2/32,fd00::/64 endpoint 127.0.0.1:7 ` +
      "persistent-keepalive 0";
    expect(restPeers("wg0", peers, "127.0.0.1:7").map(formatCommand)).toEqual([
      `wg set wg0 ${anew("K=")} ${anew("L=")}`,
      `wg set wg0 ${anew("S=", "preshared-key /dev/stdin ")} <<< "(a secret key)"`,
    ]);
    expect(restPeers("wg0", [], "127.0.0.1:7")).toEqual([]);
  });

  it("have a table for each interface, whatever it is called", () => {
    expect(tableNameOf("wg-home.0_x")).toBe("sidewire_mesh_wg-home.0_x");
    expect(tableNameOf("wg=+1")).toBe("sidewire_mesh_wg/3d/2b1");
    const table = { name: "wg0", listenPort: 51_820, helperPort: 40_001, fwmark: 0 };
    expect(makeTable(table).input?.text).toContain("type filter hook output");
    expect(makeTable({ ...table, fwmark: 0xca6c }).input?.text).toContain(
      "type route hook output priority raw\n    udp sport 40001 meta mark set 0xca6c udp sport set 51820",
    );
    expect(removeTable("wg0").input?.text).toBe(
      "table inet sidewire_mesh_wg0\ndelete table inet sidewire_mesh_wg0\n",
    );
  });
});
