import { join } from "node:path";
import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import type { PeerInfo } from "../../src/info.js";
import { LAN_PORT } from "../../src/lan/lan-places.js";
import { Daemon } from "../support/daemon.js";
import { memoryOf } from "../support/memory.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

const STRANGER = join(import.meta.dirname, "../support/lan-stranger.mjs");

/** Of a daemon while it is flooded, MiB. */
const MAX_GROWTH = 8;

/** How often a daemon has taken something in from a peer. */
const heard = ({ process }: Daemon): number => process.log.split('"step":"heard"').length - 1;

withLab("a LAN without the internet", (startLab) => {
  it.each(["IPv4", "IPv6"] as const)(
    "has a tunnel within 5 s over %s; what a neighbour repeats or changes does nothing",
    async (family) => {
      await using lab = await startLab({
        family,
        nats: { a: { kind: "port-restricted" } },
        hosts: { ha: { behind: "a" }, hb: { behind: "a" }, hs: { behind: "a" } },
        brokers: 1,
        stun: true,
      });
      // The box is there, and nothing beyond it.
      await lab.nat("a").namespace.run(["ip", "link", "set", "wan", "down"]);
      const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
      if (ha === undefined || hb === undefined) throw new Error("no members");
      const addresses = [ha, hb].map(({ host }) => host.addresses()[0] ?? "");
      await using stranger = lab.host("hs").node(STRANGER, [`${LAN_PORT}`, ...addresses]);
      await stranger.wrote(/listens/);
      const da = Daemon.start(lab, ha.host, ha.wireguard);
      await da.ready();
      const db = Daemon.start(lab, hb.host, hb.wireguard);
      await db.ready();
      const isLan = ({ path }: PeerInfo): boolean => path?.kind === "lan";
      const [a, b] = await Promise.all([
        da.until(hb.publicKey, isLan, 5000),
        db.until(ha.publicKey, isLan, 5000),
      ]);
      await PingStream.start(ha.host, hb.address).answerAfter(0, 5000);
      if (family === "IPv6") return;

      await expect
        .poll(() => [a, b].map(({ path }) => path?.endpoint))
        .toEqual([`${addresses[1]}:51820`, `${addresses[0]}:51820`]);
      const before = [heard(da), heard(db)];
      stranger.write(`${JSON.stringify({ times: 2000, perSecond: 2000 })}\n`);
      const [, repeated] = await stranger.wrote(/sent \d+ of (\d+)/);
      expect(Number(repeated)).toBeGreaterThan(0);
      // Of 2000 repetitions none counts. What the two say to each other at a start may go on meanwhile.
      expect(heard(da) - (before[0] ?? 0)).toBeLessThan(3);
      expect(heard(db) - (before[1] ?? 0)).toBeLessThan(3);
      for (const [daemon, key, path] of [
        [da, hb.publicKey, a.path],
        [db, ha.publicKey, b.path],
      ] as const) {
        const { peers } = await daemon.status();
        expect(peers.find(({ publicKey }) => publicKey === key)).toMatchObject({
          state: "direct",
          path: { endpoint: path?.endpoint },
        });
      }
      await PingStream.start(ha.host, hb.address).answerAfter(0, 5000);
    },
    60_000,
  );

  it("has a tunnel within 5 s while a neighbour floods it with what he has heard before, of any hour", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" } },
      hosts: { ha: { behind: "a" }, hb: { behind: "a" }, hs: { behind: "a" } },
    });
    await lab.nat("a").namespace.run(["ip", "link", "set", "wan", "down"]);
    const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
    if (ha === undefined || hb === undefined) throw new Error("no members");
    const [a, b] = [ha.host.address(), hb.host.address()];
    await using stranger = lab.host("hs").node(STRANGER, [`${LAN_PORT}`, a, b]);
    await stranger.wrote(/listens/);
    const folders = [ha, hb].map(({ host }) => `${lab.folder}/state-${host.name}`) as [string, string];
    const start = (i: 0 | 1): Daemon => {
      const { host, wireguard } = [ha, hb][i] as Member;
      return Daemon.start(lab, host, wireguard, { stateFolder: folders[i] });
    };
    const isLan = ({ path }: PeerInfo): boolean => path?.kind === "lan";
    const [before, other] = [start(0), start(1)];
    await Promise.all([before.until(hb.publicKey, isLan), other.until(ha.publicKey, isLan)]);
    await Promise.all([stranger.wrote(new RegExp(`heard ${a}`)), stranger.wrote(new RegExp(`heard ${b}`))]);
    await Promise.all([before.stop(), other.stop()]);
    // No session is left that would lead anywhere.
    for (const [{ wireguard }, { publicKey, address }] of [
      [ha, hb],
      [hb, ha],
    ] as const) {
      await wireguard.set("peer", publicKey, "remove");
      await wireguard.set("peer", publicKey, "allowed-ips", `${address}/32`);
    }

    const da = start(0);
    await da.ready();
    const flood = { times: 8000, perSecond: 1000 };
    stranger.write(`${JSON.stringify({ ...flood, times: 2000 })}\n`);
    await stranger.wrote(/sent 2000 of [1-9]/);
    // Nobody else is there: what the neighbour has from before counts for nothing.
    expect(heard(da)).toBe(0);
    const memory = memoryOf(da.process.pid);
    stranger.write(`${JSON.stringify(flood)}\n`);
    const db = start(1);
    await db.ready();
    await Promise.all([
      da.until(hb.publicKey, isLan, atOurPace(5000)),
      db.until(ha.publicKey, isLan, atOurPace(5000)),
    ]);
    await stranger.wrote(/sent 8000 of/);
    console.log(`grown by ${Math.round(memoryOf(da.process.pid) - memory)} MiB in the flood`);
    expect(memoryOf(da.process.pid) - memory).toBeLessThan(MAX_GROWTH);
    expect(da.last(hb.publicKey)?.path?.endpoint).toBe(`${b}:51820`);
    await PingStream.start(ha.host, hb.address).answerAfter(0, 5000);
  }, 60_000);
});
