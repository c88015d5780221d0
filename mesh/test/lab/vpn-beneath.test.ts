import { expect, it } from "vitest";
import { type Host, makeKeys } from "../../lab/index.js";
import { startWireguard } from "../../lab/wireguard.js";
import { Daemon } from "../support/daemon.js";
import { until } from "../support/lab-member.js";
import { makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

/** How long a tunnel may be interrupted when the way out becomes another one, ms: as for any other uplink. */
const BACK_MS = 5000;
/** How soon brokers are dialled by the new way, ms: those that do not answer for 3 s, once a change is seen. */
const DIALLED_MS = 8000;

const VPN_ADDRESS = "10.66.0.2";

/** As OpenVPN and others put themselves before the default route, which stays. */
const HALVES = ["0.0.0.0/1", "128.0.0.0/1"];

/** Another WireGuard, which a host sends everything by: its server is on a host of the lab. */
async function startVpn(client: Host, server: Host): Promise<{ up(): Promise<void>; down(): Promise<void> }> {
  const [own, other] = [await makeKeys(client.namespace), await makeKeys(server.namespace)];
  const name = `${client.interface}v`;
  await startWireguard(server.namespace, `${server.interface}v`, {
    privateKey: other.privateKey,
    address: "10.66.0.1/24",
    peers: [{ publicKey: own.publicKey, allowedIps: [`${VPN_ADDRESS}/32`] }],
  });
  await startWireguard(client.namespace, name, {
    privateKey: own.privateKey,
    listenPort: 51_999,
    address: `${VPN_ADDRESS}/24`,
    peers: [
      {
        publicKey: other.publicKey,
        allowedIps: ["0.0.0.0/0"],
        endpoint: `${server.address()}:51820`,
        keepalive: 25,
      },
    ],
  });
  await server.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
  await server.namespace.set({
    nft: 'table ip vpn {\nchain outgoing {\ntype nat hook postrouting priority 100;\nip saddr 10.66.0.0/24 oifname != "lo" masquerade\n}\n}',
  });
  const [, gateway = ""] = /via (\S+)/.exec(await client.run(["ip", "-4", "route", "show", "default"])) ?? [];
  const toServer = `${server.address()}/32 via ${gateway}`;
  await until(() => client.canPing("10.66.0.1"));
  return {
    up: async () => {
      await client.namespace.set({
        ip: [`route add ${toServer}`, ...HALVES.map((half) => `route add ${half} dev ${name}`)],
      });
    },
    down: async () => {
      await client.namespace.set({
        // With its address, as VPN programs do; its routes go with it.
        ip: [`addr flush dev ${name}`, `link set ${name} down`, `route del ${toServer}`],
      });
    },
  };
}

withLab("a host whose owner switches another VPN on and off beneath", (startLab) => {
  it("goes on by it, and without it, and dials its brokers again at once", { timeout: 120_000 }, async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" }, b: { kind: "port-restricted" } },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" }, hv: {} },
      brokers: 2,
      stun: true,
    });
    const { ha = expect.fail(), hb = expect.fail() } = await makeMembers(lab, ["ha", "hb"]);
    const [server, { host }] = [lab.host("hv"), ha];
    const vpn = await startVpn(host, server);
    const [da, db] = [Daemon.start(lab, host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
    await Promise.all([
      da.until(hb.publicKey, ({ state }) => state === "direct"),
      db.until(ha.publicKey, ({ state }) => state === "direct"),
    ]);
    const ping = PingStream.start(host, hb.address);
    await ping.answerAfter(Date.now());
    /** To how many brokers there are connections from an address. */
    const connections = async (from: string): Promise<number> =>
      (await host.run(["ss", "-tnH", "state", "established", "src", from, "dport", "=", ":1883"]))
        .split("\n")
        .filter(Boolean).length;
    for (const [change, from] of [
      [vpn.up, VPN_ADDRESS],
      [vpn.down, host.address()],
    ] as const) {
      const since = Date.now();
      await change();
      await until(async () => (await connections(from)) === lab.brokers.length);
      const dialled = Date.now() - since;
      // Answers to what was on its way do not count.
      const back = (await ping.answerAfter(since + 200)) - since;
      console.log(
        `out by ${from}: brokers dialled after ${dialled} ms, an answer after ${Math.round(back)} ms`,
      );
      expect(dialled).toBeLessThan(DIALLED_MS);
      expect(back).toBeLessThan(BACK_MS);
      const outside = from === VPN_ADDRESS ? server.address() : (lab.nat("a").outside[0] ?? "");
      await until(async () =>
        (await da.status()).candidates.some(
          ({ kind, endpoint }) => kind === "reflexive" && endpoint.startsWith(`${outside}:`),
        ),
      );
      await until(async () => (await hb.wireguard.show("endpoints")).includes(`\t${outside}:`));
    }
    await ping.stop();
  });
});
