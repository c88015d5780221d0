import { join } from "node:path";
import { expect, it } from "vitest";
import type { PeerInfo } from "../../src/info.js";
import { LAN_PORT } from "../../src/lan/lan-places.js";
import { Daemon } from "../support/daemon.js";
import { makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

const STRANGER = join(import.meta.dirname, "../support/lan-stranger.mjs");

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
      await using stranger = lab.host("hs").node(STRANGER, [`${LAN_PORT}`, "2000", ...addresses]);
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
      stranger.write("go\n");
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
});
