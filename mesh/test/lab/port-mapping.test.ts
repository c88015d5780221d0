import { mkdtempSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import type { Lab, Nat } from "../../lab/index.js";
import type { PeerInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { withPortMapping } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

const COMMAND = join(import.meta.dirname, "../../bin/sidewire-mesh.js");

/** The mappings file of a folder, as its entries; empty when there is none. */
function kept(folder: string): { readonly externalPort: number }[] {
  const name = readdirSync(folder).find((one) => one.endsWith(".mappings.json"));
  if (name === undefined) return [];
  expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  return JSON.parse(readFileSync(join(folder, name), "utf8")).mappings;
}

const wasMapped = /"kind":"mapped","endpoint":"11\.22\.33\.\d+:(\d+)"/;

async function startMember(lab: Lab, member: Member | undefined, stateFolder: string): Promise<Daemon> {
  if (member === undefined) throw new Error("no such member");
  const daemon = Daemon.start(lab, member.host, member.wireguard, { stateFolder });
  await daemon.process.wrote(wasMapped);
  return daemon;
}

const inside = async (nat: Nat): Promise<string[]> =>
  (await nat.mappedPorts()).map((one) => one.inside).toSorted();

withPortMapping("port mapping by miniupnpd", (startLab) => {
  it("gives two hosts of one LAN a port each, keeps one each after SIGKILL, and leaves none (report 30)", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "symmetric", portMapping: true } },
      hosts: { ha: { behind: "a" }, hb: { behind: "a" } },
      stun: true,
    });
    const nat = lab.nat("a");
    // A lease of 24 s: it is renewed while the test looks.
    await nat.restartPortMapping({ maxLeaseS: 24 });
    const { ha, hb } = await makeMembers(lab, ["ha", "hb"], () => false);
    const folders = [mkdtempSync(join(lab.folder, "a-")), mkdtempSync(join(lab.folder, "b-"))] as const;
    const one = await startMember(lab, ha, folders[0]);
    const other = await startMember(lab, hb, folders[1]);
    const both = [`${ha?.host.address()}:51820`, `${hb?.host.address()}:51820`];
    expect(await inside(nat)).toEqual(both);
    const before = await nat.mappedPorts();
    expect(new Set(before.map(({ outside }) => outside)).size).toBe(2);
    expect(kept(folders[0])).toHaveLength(1);
    const { portMappings } = await other.status();
    // Without root, and without a daemon.
    const found = await hb?.host.tryRun([
      ...[process.execPath, COMMAND, "netcheck", "--json", "--stun", "203.0.113.1:3478"],
      ...["--brokers", lab.brokersFile],
    ]);
    expect(found?.stdout).toContain("192.168.1.1 gives a port by PCP, NAT-PMP, UPnP");
    expect(portMappings).toMatchObject([
      { protocol: "pcp", family: 4, gateway: "192.168.1.1", internalPort: 51_820, isHint: false },
    ]);
    const first = portMappings[0]?.endsAt ?? 0;

    await one.process.kill();
    expect(await inside(nat)).toEqual(both);
    const again = await startMember(lab, ha, folders[0]);
    // The same as before: what peers remember of this host still leads to it.
    expect(await nat.mappedPorts()).toEqual(expect.arrayContaining(before));
    expect(await inside(nat)).toEqual(both);

    // Before half of the lease is over, it ends later than it did.
    for (;;) {
      const [now] = (await other.status()).portMappings;
      if ((now?.endsAt ?? 0) > first + 5000) break;
      expect(Date.now()).toBeLessThan(first - 10_000);
    }
    await Promise.all([again.stop(), other.stop()]);
    expect(await nat.mappedPorts()).toEqual([]);
    expect([kept(folders[0]), kept(folders[1])]).toEqual([[], []]);
  }, 60_000);

  it("asks by UPnP where there is nothing else, and cleans up after a crash when another port is wanted", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "symmetric", portMapping: true } },
      hosts: { ha: { behind: "a" } },
      stun: true,
    });
    const nat = lab.nat("a");
    await nat.restartPortMapping({ hasPcp: false });
    const { ha } = await makeMembers(lab, ["ha"]);
    const folder = mkdtempSync(join(lab.folder, "a-"));
    const one = await startMember(lab, ha, folder);
    expect((await one.status()).portMappings).toMatchObject([{ protocol: "upnp-igd" }]);
    expect(await inside(nat)).toEqual([`${ha?.host.address()}:51820`]);
    await one.process.kill();
    await ha?.wireguard.set("listen-port", "51999");
    const again = await startMember(lab, ha, folder);
    expect(await inside(nat)).toEqual([`${ha?.host.address()}:51999`]);
    expect(kept(folder)).toHaveLength(1);
    await again.stop();
    expect(await nat.mappedPorts()).toEqual([]);
  }, 60_000);

  it("opens a pinhole in IPv6 by UPnP, found by multicast, where there is no PCP; one after SIGKILL, and none at the end", async () => {
    await using lab = await startLab({
      family: "both",
      nats: { a: { kind: "symmetric", portMapping: true } },
      hosts: { ha: { behind: "a" } },
      stun: true,
    });
    const nat = lab.nat("a");
    await nat.restartPortMapping({ hasPcp: false });
    const { ha } = await makeMembers(lab, ["ha"]);
    if (ha === undefined) throw new Error("no member");
    await ha.host.namespace.set({
      nft: "table ip6 seen {\nchain in {\ntype filter hook prerouting priority -300;\nudp length 10 counter\n}\n}",
    });
    /** How many packets of two bytes from outside have come to WireGuard's port. */
    const knock = async (): Promise<number> => {
      await lab.middle.run(["bash", "-c", `echo x > /dev/udp/${ha.host.address6()}/51820`]);
      const rules = await ha.host.run(["nft", "list", "table", "ip6", "seen"]);
      return Number(/packets (\d+)/.exec(rules)?.[1]);
    };
    expect(await knock()).toBe(0);
    const folder = mkdtempSync(join(lab.folder, "a-"));
    const start = async (): Promise<Daemon> => {
      const daemon = Daemon.start(lab, ha.host, ha.wireguard, { stateFolder: folder });
      await daemon.process.wrote(/"kind":"mapped","endpoint":"\[2001:db8:1::2\]:51820"/);
      return daemon;
    };
    const one = await start();
    // It is known by its link-local address, and answers from another one.
    const mapping = { family: 6, protocol: "upnp-igd", gateway: "fe80::1" };
    expect((await one.status()).portMappings).toContainEqual(expect.objectContaining(mapping));
    await expect.poll(knock).toBeGreaterThan(0);
    await one.process.kill();
    const again = await start();
    const pinholes = async (): Promise<number> => {
      const chain = await nat.namespace.run(["nft", "list", "chain", "inet", "miniupnpd", "forwarded"]);
      // By the address inside; in IPv4 there is another one.
      return chain.split("0x20010db8").length - 1;
    };
    expect(await pinholes()).toBe(1);
    await again.stop();
    expect(await pinholes()).toBe(0);
    const before = await knock();
    expect(await knock()).toBe(before);
    expect(kept(folder)).toEqual([]);
  }, 60_000);

  it("gives two hosts behind symmetric NATs a direct path, in which only one router maps a port; after a change of the network, too", async () => {
    await using lab = await startLab({
      nats: {
        a: { kind: "symmetric", portMapping: true },
        b: { kind: "symmetric" },
        c: { kind: "symmetric", portMapping: true },
      },
      hosts: { ha: { behind: ["a", "c"], down: ["eth1"] }, hb: { behind: "b" } },
      brokers: 1,
      stun: true,
    });
    const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
    if (ha === undefined || hb === undefined) throw new Error("no members");
    const da = Daemon.start(lab, ha.host, ha.wireguard);
    const db = Daemon.start(lab, hb.host, hb.wireguard);
    const isDirect = ({ state }: PeerInfo): boolean => state === "direct";
    await Promise.all([da.until(hb.publicKey, isDirect), db.until(ha.publicKey, isDirect)]);
    const ping = PingStream.start(ha.host, hb.address);
    await ping.answerAfter(0, 5000);
    expect(await inside(lab.nat("a"))).toEqual([`${ha.host.address()}:51820`]);
    await ha.host.up("eth1");
    await ha.host.down("eth0");
    const movedAt = Date.now();
    await expect
      .poll(async () => await inside(lab.nat("c")), { timeout: 10_000 })
      .toEqual([`${ha.host.address("eth1")}:51820`]);
    // A port is mapped at the other router, and the peer is told of it over a broker that is dialled anew. An announce that
    // had to wait for the limit of those before it would come 30 s later.
    await ping.answerAfter(movedAt, atOurPace(10_000));
  }, 90_000);
});
