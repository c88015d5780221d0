import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { type Lab, makeKeys, type NatOptions } from "../../lab/index.js";
import { withLab } from "../support/needs.js";

const STUN = fileURLToPath(new URL("../support/stun-program.mjs", import.meta.url));

const [WIREGUARD, HELPER] = [51_820, 51_990];

/** A helper's packets leave from WireGuard's port, and what answers them comes to the helper. */
const TABLE = `table inet by_hand {
  chain out {
    type filter hook output priority raw;
    udp sport ${HELPER} udp sport set ${WIREGUARD}
  }
  chain in {
    type filter hook input priority filter - 1;
    udp dport ${WIREGUARD} @th,96,32 0x2112a442 udp dport set ${HELPER}
  }
}`;

/** WireGuard on both hosts, which know each other's key and nothing else. */
async function setUp(lab: Lab): Promise<readonly [a: Side, b: Side]> {
  const hosts = [lab.host("ha"), lab.host("hb")] as const;
  const [a, b] = await Promise.all(hosts.map(async (host) => await makeKeys(host)));
  if (a === undefined || b === undefined) throw new Error("no keys");
  const make = async (own: number, { privateKey }: typeof a, { publicKey }: typeof a): Promise<Side> => {
    const host = own === 1 ? hosts[0] : hosts[1];
    const peers = [{ publicKey, allowedIps: [`10.9.0.${3 - own}/32`] }];
    const wireguard = await host.wireguard({ privateKey, address: `10.9.0.${own}/24`, peers });
    await host.namespace.set({ nft: TABLE });
    return { host, wireguard, peer: publicKey, overlay: `10.9.0.${own}` };
  };
  return await Promise.all([make(1, a, b), make(2, b, a)]);
}

interface Side {
  readonly host: ReturnType<Lab["host"]>;
  readonly wireguard: Awaited<ReturnType<ReturnType<Lab["host"]>["wireguard"]>>;
  readonly peer: string;
  readonly overlay: string;
}

/** Where the WireGuard of a host is seen from outside. */
async function seen(lab: Lab, { host }: Side): Promise<string> {
  const [address = "", port = ""] = (lab.stun[0] ?? "").split(":");
  const [, from, at] = await host.node(STUN, [address, port, `${HELPER}`]).wrote(/^seen (\S+) (\d+)$/m);
  return `${from}:${at}`;
}

withLab("a tunnel by hand", (startLab) => {
  it.each([
    ["port-restricted", "port-restricted", true],
    ["port-shifting", "port-shifting", true],
    ["full-cone", "symmetric", true],
    ["symmetric", "symmetric", false],
  ] as const)("from %s to %s: %s", async (kindA, kindB, works) => {
    const nats: Record<string, NatOptions> = { a: { kind: kindA }, b: { kind: kindB } };
    await using lab = await startLab({
      nats,
      hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
      brokers: 1,
      stun: true,
    });
    const [a, b] = await setUp(lab);
    const [atA, atB] = await Promise.all([seen(lab, a), seen(lab, b)]);
    await Promise.all([
      a.wireguard.set("peer", a.peer, "endpoint", atB, "persistent-keepalive", "1"),
      b.wireguard.set("peer", b.peer, "endpoint", atA, "persistent-keepalive", "1"),
    ]);
    const words = ["-n", "-q", "-i0.02", `-w${works ? 15 : 3}`, "-c1", b.overlay];
    const { code } = await a.host.tryRun(["ping", ...words]);
    expect(code === 0).toBe(works);
    if (works) expect(await b.host.canPing(a.overlay)).toBe(true);
  });
});
