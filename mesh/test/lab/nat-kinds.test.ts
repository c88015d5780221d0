import { expect, it } from "vitest";
import { type Lab, NAT_KINDS, type NatKind, type NatOptions } from "../../lab/index.js";
import { withLab } from "../support/needs.js";
import { type Seen, UdpPeer } from "../support/udp-peer.js";

const PORT = 51_820;
const V4 = ["203.0.113.1", "203.0.113.2"] as const;
const V6 = ["2001:db8:ffff::1", "2001:db8:ffff::2"] as const;

/** A NAT of each kind, of the name of its kind, and a host behind each. */
function ofEachKind(
  kinds: readonly NatKind[],
  more: Omit<NatOptions, "kind"> = {},
): {
  nats: Record<string, NatOptions>;
  hosts: Record<string, { behind: string }>;
} {
  return {
    nats: Object.fromEntries(kinds.map((kind) => [kind, { kind, ...more }])),
    hosts: Object.fromEntries(kinds.map((kind) => [hostOf(kind), { behind: kind }])),
  };
}

const hostOf = (kind: NatKind): string => `h-${kind.slice(0, 12)}`;

/** Sockets in the middle: at one address, at another port of it, and at another address. */
async function openOutside(
  lab: Lab,
  [one, other]: readonly [string, string],
): Promise<Record<"near" | "port" | "far", UdpPeer>> {
  const [near, port, far] = await Promise.all([
    UdpPeer.open(lab.middle, one, 5000),
    UdpPeer.open(lab.middle, one, 5001),
    UdpPeer.open(lab.middle, other, 5000),
  ]);
  return { near, port, far };
}

/** Whether what a socket outside sends arrives: told by a later text of one that may send. */
async function arrives(from: UdpPeer, at: Seen, inside: UdpPeer, known: UdpPeer): Promise<boolean> {
  const text = from.send(at);
  await from.sent(text);
  await known.reach(inside, at);
  return inside.has(text);
}

/** Kinds with NAT, and with UDP. */
const PASSING = NAT_KINDS.filter((kind) => kind !== "udp-blocked");

withLab("each kind of NAT", (startLab) => {
  it("maps as it says", async () => {
    await using lab = await startLab({ ...ofEachKind(NAT_KINDS), stun: true });
    const { near, port, far } = await openOutside(lab, V4);
    for (const kind of PASSING) {
      const host = lab.host(hostOf(kind));
      const inside = await UdpPeer.open(host, host.address(), PORT);
      const seen = [await inside.reach(near), await inside.reach(port), await inside.reach(far)];
      const addresses = new Set(seen.map(({ address }) => address));
      const ports = new Set(seen.map((at) => at.port));
      expect(addresses, kind).toEqual(new Set(kind === "open" ? [host.address()] : lab.nat(kind).outside));
      expect(ports.size, kind).toBe(kind === "symmetric" ? 3 : 1);
      const keepsPort = kind !== "symmetric" && kind !== "port-shifting";
      expect(ports.has(PORT), kind).toBe(keepsPort);
    }
    const blocked = lab.host(hostOf("udp-blocked"));
    const inside = await UdpPeer.open(blocked, blocked.address(), PORT);
    const text = inside.send(near.at);
    await inside.sent(text);
    expect(await blocked.canPing(V4[0])).toBe(true);
    expect(near.has(text)).toBe(false);
  });

  it.each(["IPv4", "IPv6"] as const)("filters %s as it says", async (family) => {
    await using lab = await startLab({ ...ofEachKind(PASSING), family, stun: true });
    const { near, port, far } = await openOutside(lab, family === "IPv4" ? V4 : V6);
    for (const kind of PASSING) {
      const host = lab.host(hostOf(kind));
      const inside = await UdpPeer.open(host, family === "IPv4" ? host.address() : host.address6(), PORT);
      const at = await inside.reach(near);
      if (family === "IPv6") expect(at, kind).toEqual(inside.at);
      expect(await arrives(near, at, inside, near), kind).toBe(true);
      const isOpen = kind === "open" || kind === "full-cone";
      expect(await arrives(far, at, inside, near), kind).toBe(isOpen);
      expect(await arrives(port, at, inside, near), kind).toBe(isOpen || kind === "address-restricted");
    }
  });

  it("drops what is stray, or takes it for itself and then maps that flow to another port", async () => {
    for (const stray of ["drop", "accept"] as const) {
      await using lab = await startLab({
        ...ofEachKind(["port-restricted", "symmetric"], { stray }),
        stun: true,
      });
      const { near, far } = await openOutside(lab, V4);
      const host = lab.host(hostOf("port-restricted"));
      const inside = await UdpPeer.open(host, host.address(), PORT);
      const at = await inside.reach(near);
      expect(await arrives(far, at, inside, near)).toBe(false);
      expect((await inside.reach(far)).port === PORT, stray).toBe(stray === "drop");
    }
  });

  it("keeps apart two hosts of a LAN that speak from one port", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" }, b: { kind: "port-shifting" }, c: { kind: "full-cone" } },
      hosts: Object.fromEntries(
        ["a", "b", "c"].flatMap((nat) => [1, 2, 3].map((i) => [`${nat}${i}`, { behind: nat }])),
      ),
      stun: true,
    });
    const { near, far } = await openOutside(lab, V4);
    for (const nat of ["a", "b", "c"]) {
      const ports = new Set<number>();
      const hosts = [1, 2, 3].map((i) => lab.host(`${nat}${i}`));
      const sockets = await Promise.all(
        hosts.map(async (host) => await UdpPeer.open(host, host.address(), PORT)),
      );
      for (const socket of sockets) {
        const at = await socket.reach(near);
        ports.add(at.port);
        expect(await socket.reach(far)).toEqual(at);
        // Answers find their way.
        expect(await near.reach(socket, at)).toEqual(near.at);
      }
      expect(ports.size).toBe(3);
    }
  });

  it("uses both of its addresses, by the destination", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted", addresses: 2 } },
      hosts: { ha: { behind: "a" } },
      stun: true,
    });
    const { near, far } = await openOutside(lab, V4);
    const inside = await UdpPeer.open(lab.host("ha"), lab.host("ha").address(), PORT);
    const [even, odd] = lab.nat("a").outside;
    const at = await inside.reach(near);
    expect(at).toEqual({ address: odd, port: PORT });
    expect(await inside.reach(far)).toEqual({ address: even, port: PORT });
    expect(await near.reach(inside, at)).toEqual(near.at);
  });
});
