import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Lab, LabDescription } from "../../lab/index.js";
import type { PeerInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

type Direct = PeerInfo & { readonly time: number };

withLab("where two hosts may be", { concurrent: true }, (startLab) => {
  /** Starts two daemons, and resolves with what each says of the other once both have a path. */
  async function meet(
    lab: Lab,
    prepare: (ha: Member, hb: Member) => Promise<unknown> = async () => {},
  ): Promise<{ ha: Member; hb: Member; da: Daemon; db: Daemon; a: Direct; b: Direct }> {
    const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
    if (ha === undefined || hb === undefined) throw new Error("the lab has no such hosts");
    await prepare(ha, hb);
    const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
    const isDirect = ({ state }: PeerInfo): boolean => state === "direct";
    const [a, b] = await Promise.all([da.until(hb.publicKey, isDirect), db.until(ha.publicKey, isDirect)]);
    return { ha, hb, da, db, a, b };
  }

  const restricted = { kind: "port-restricted" } as const;
  const ready = (lab: Partial<LabDescription> & Pick<LabDescription, "hosts">): Promise<Lab> =>
    startLab({ brokers: 2, stun: true, ...lab });

  it("is the same LAN: its addresses win, whatever else works", async () => {
    await using lab = await ready({
      nats: { a: { kind: "full-cone", hairpin: true } },
      hosts: { ha: { behind: "a" }, hb: { behind: "a" } },
    });
    const { ha, hb, da, db } = await meet(lab);
    const isLan = ({ path }: PeerInfo): boolean => path?.kind === "lan";
    const [a, b] = await Promise.all([
      da.until(hb.publicKey, isLan, 5000),
      db.until(ha.publicKey, isLan, 5000),
    ]);
    expect([a.path?.endpoint, b.path?.endpoint]).toEqual([
      `${hb.host.address()}:51820`,
      `${ha.host.address()}:51820`,
    ]);
  });

  it("is behind two NATs, one after the other", async () => {
    await using lab = await ready({
      nats: { outer: restricted, inner: { ...restricted, behind: "outer" }, b: restricted },
      hosts: { ha: { behind: "inner" }, hb: { behind: "b" } },
    });
    const { a } = await meet(lab);
    expect(a.path?.kind).toBe("nat");
  });

  it("is behind a NAT with two outside addresses", async () => {
    await using lab = await ready({
      nats: { a: { ...restricted, addresses: 2 }, b: { kind: "address-restricted" } },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
    });
    const { ha, hb } = await meet(lab);
    const ping = PingStream.start(ha.host, hb.address);
    await ping.answerAfter(0, 10_000);
  });

  it("has more bridges of other software than can be announced: its own address is among those that are", async () => {
    await using lab = await ready({
      nats: { a: restricted, b: restricted },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
    });
    const { ha, da } = await meet(lab, async ({ host }) => {
      for (let i = 0; i < 20; i++) {
        await host.run(["ip", "link", "add", `docker${i}`, "type", "bridge"]);
        await host.run(["ip", "addr", "add", `172.17.${i}.1/24`, "dev", `docker${i}`]);
        await host.run(["ip", "link", "set", `docker${i}`, "up"]);
      }
    });
    const { candidates } = await da.status();
    expect(candidates.map(({ endpoint }) => endpoint)).toContain(`${ha.host.address()}:51820`);
    expect(candidates.length).toBeLessThanOrEqual(16);
  });

  it("routes its own LAN through the tunnel: that is no way to it", async () => {
    await using lab = await ready({
      nats: { a: restricted, b: restricted },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
    });
    const { hb, da } = await meet(lab, async (ha, hb) => {
      const lan = hb.host.address().replace(/\d+$/, "0/24");
      await ha.wireguard.set("peer", hb.publicKey, "allowed-ips", `${hb.address}/32,${lan}`);
      await ha.host.run(["ip", "route", "add", lan, "dev", ha.wireguard.interface]);
    });
    // Through the tunnel the address answers; probes there would say that it is near.
    await delay(3000);
    for (const { path } of da.peers()) expect(path?.endpoint ?? "").not.toContain(hb.host.address());
    const { peers } = await da.status();
    expect(peers).toMatchObject([{ state: "direct", path: { kind: "nat" } }]);
    await lab.takeLeaks();
  });

  it("is where UDP is blocked: status says so in words", { timeout: 150_000 }, async () => {
    await using lab = await ready({
      nats: { a: { kind: "udp-blocked" }, b: restricted },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
    });
    const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
    if (ha === undefined || hb === undefined) throw new Error("the lab has no such hosts");
    const da = Daemon.start(lab, ha.host, ha.wireguard);
    Daemon.start(lab, hb.host, hb.wireguard);
    await da.ready();
    await da.process.wrote(/UDP is blocked/, 100_000);
    const { nat, brokers } = await da.status();
    expect(nat).toBe("blocked");
    expect(brokers.every(({ state }) => state === "open")).toBe(true);
  });
});
