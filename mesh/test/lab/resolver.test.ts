import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Host } from "../../lab/index.js";
import { Daemon } from "../support/daemon.js";
import { makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";

const NAME_SERVER = "127.0.0.53";

/** A name server that takes every question and says nothing. */
async function startSilent(host: Host): Promise<void> {
  const program = `require("node:dgram").createSocket("udp4").bind(53, "${NAME_SERVER}", () => console.log("bound"))`;
  await host.spawn([process.execPath, "-e", program]).wrote(/bound/);
}

withLab("a resolver that is down", (startLab) => {
  it("keeps nobody from a path that is remembered, nor from ending within 2 s", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "full-cone" }, b: { kind: "full-cone" } },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
      brokers: 1,
      stun: true,
    });
    const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
    if (ha === undefined || hb === undefined) throw new Error("the lab has no such hosts");
    const before = [
      Daemon.start(lab, ha.host, ha.wireguard),
      Daemon.start(lab, hb.host, hb.wireguard),
    ] as const;
    await before[0].until(hb.publicKey, ({ state }) => state === "direct");
    await before[1].until(ha.publicKey, ({ state }) => state === "direct");
    await Promise.all(before.map((daemon) => daemon.stop()));

    const names = Array.from({ length: 6 }, (_, i) => [`broker-${i}.example`, { port: 1883 }]);
    const brokers = join(lab.folder, "names.json");
    writeFileSync(brokers, JSON.stringify({ IPv4: Object.fromEntries(names) }));
    const stun = ["stun-1.example:3478", "stun-2.example:3478"];
    await Promise.all([startSilent(ha.host), startSilent(hb.host)]);
    const [da, db] = [
      { member: ha, stateFolder: before[0].stateFolder },
      { member: hb, stateFolder: before[1].stateFolder },
    ].map(({ member: { host, wireguard }, stateFolder }) =>
      Daemon.start(lab, host, wireguard, { stateFolder, brokers, stun, nameServer: NAME_SERVER }),
    );
    if (da === undefined || db === undefined) throw new Error("unreachable");
    await da.until(hb.publicKey, ({ state }) => state === "direct");
    await db.until(ha.publicKey, ({ state }) => state === "direct");
    expect(await ha.host.canPing(hb.address)).toBe(true);
    const { brokers: known } = await da.status();
    expect(known.map(({ state }) => state)).not.toContain("open");
    for (const { process } of [da, db]) {
      const endedAt = performance.now();
      process.signal("SIGTERM");
      await process.wrote(/\(ended with/, 2000);
      expect(performance.now() - endedAt).toBeLessThan(2000);
    }
  });
});
