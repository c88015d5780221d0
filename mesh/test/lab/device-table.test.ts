import { describe, expect, it } from "vitest";
import type { Host } from "../../lab/index.js";
import { openDevice, type Side, twoSides } from "../support/device.js";
import { withLab } from "../support/needs.js";
import { UdpPeer } from "../support/udp-peer.js";

/** The first 8 bytes of a STUN message: the cookie is in bytes 4 to 7. */
const STUN = "\x00\x01\x00\x00\x21\x12\xa4\x42";

const W = 51_820;
const H = 51_990;

withLab("the nft table", (startLab) => {
  const addressOf = (host: Host, family: string): string =>
    family === "IPv4" ? host.address() : host.address6();

  const socketsOf = async (a: Side, b: Side, family: string): Promise<{ own: UdpPeer; other: UdpPeer }> => ({
    own: await UdpPeer.open(a.host, addressOf(a.host, family), H),
    other: await UdpPeer.open(b.host, addressOf(b.host, family), 0),
  });

  /** A firewall that lets in what was asked for, and WireGuard. */
  const FIREWALL = `add table inet firewall; add chain inet firewall in {
    type filter hook input priority filter; policy drop; }
    add rule inet firewall in ct state established accept
    add rule inet firewall in meta l4proto icmpv6 accept
    add rule inet firewall in udp dport ${W} accept`;

  describe.each(["IPv4", "IPv6"])("%s", (family) => {
    it.each([
      ["no firewall", ""],
      ["a firewall that lets WireGuard in", FIREWALL],
    ])("%s: probes leave from WireGuard's port and come back to the socket", async (_name, firewall) => {
      const { lab, a, b } = await twoSides(startLab);
      await using _ = lab;
      if (firewall !== "") await a.host.namespace.set({ nft: firewall });
      await using device = await openDevice(lab, a.host);
      await device.installTable(H);
      const { own, other } = await socketsOf(a, b, family);
      await using _own = own;
      await using _other = other;
      const shown = { address: own.host, port: W };

      // Nobody has spoken to it before.
      const unasked = other.send(shown, STUN);
      expect(await own.got(unasked)).toEqual(other.at);
      expect(await other.got(own.send(other.at))).toEqual(shown);
      expect(await own.got(other.send(shown, STUN))).toEqual(other.at);

      // Not to the socket's own port, and not what is no STUN. What is sent later comes later.
      const direct = other.send({ address: own.host, port: H }, STUN);
      const plain = other.send(shown);
      await own.got(other.send(shown, STUN));
      expect(own.has(direct)).toBe(false);
      expect(own.has(plain)).toBe(false);

      // The tunnel has the same port, to the same host, at the same time.
      await device.use(
        b.publicKey,
        { ...b.endpoint, address: addressOf(b.host, family), family: family === "IPv4" ? 4 : 6 },
        { isFresh: true },
      );
      expect(await a.host.canPing(b.overlay)).toBe(true);
      expect(await other.got(own.send(other.at))).toEqual(shown);
    });

    it("probes take the way of WireGuard's own packets when all others go into the tunnel", async () => {
      const { lab, a, b } = await twoSides(startLab);
      await using _ = lab;
      await fullTunnel(a, family);
      await using device = await openDevice(lab, a.host);
      const { own, other } = await socketsOf(a, b, family);
      await using _own = own;
      await using _other = other;
      expect(await device.routeTo(other.host)).toMatchObject({ device: "eth0" });
      await device.installTable(H);
      expect(await other.got(own.send(other.at))).toEqual({ address: own.host, port: W });
      const answer = other.send({ address: own.host, port: W }, STUN);
      expect(await own.got(answer)).toEqual(other.at);
      await device.use(b.publicKey, b.endpoint, { isFresh: true });
      expect(await a.host.canPing(b.overlay)).toBe(true);
    });
  });

  it("says which addresses are behind the tunnel, and which nowhere", async () => {
    const { lab, a } = await twoSides(startLab);
    await using _ = lab;
    await a.host.run(["ip", "route", "add", "192.168.77.0/24", "dev", a.host.interface]);
    await a.host.run(["ip", "route", "add", "unreachable", "192.0.2.0/24"]);
    await a.host.run(["ip", "route", "add", "blackhole", "198.18.0.0/15"]);
    await using device = await openDevice(lab, a.host);
    expect(await device.routeTo("192.168.77.2")).toMatchObject({
      device: a.host.interface,
      source: a.overlay,
    });
    expect(await device.routeTo("203.0.113.1")).toMatchObject({ device: "eth0", source: a.host.address() });
    expect(await device.routeTo("192.0.2.1")).toBeUndefined();
    expect(await device.routeTo("198.18.0.1")).toBeUndefined();
  });

  /** As wg-quick does it: all that has not WireGuard's mark goes into the tunnel. */
  async function fullTunnel({ host, wireguard }: Side, family: string): Promise<void> {
    const ip = family === "IPv4" ? "ip" : "ip -6";
    await wireguard.set("fwmark", "51820");
    const lines = [
      `${ip} route add default dev ${host.interface} table 51820`,
      `${ip} rule add not fwmark 51820 table 51820`,
      `${ip} rule add table main suppress_prefixlength 0`,
    ];
    await host.run(["sh", "-ec", lines.join("\n")]);
  }
});
