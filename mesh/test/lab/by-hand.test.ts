import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { type Lab, makeKeys } from "../../lab/index.js";
import { Daemon } from "../support/daemon.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { type StartLab, withLab } from "../support/needs.js";

/** How long it may take until a change that nothing tells of is noticed, and what follows from it is done, ms. */
const NOTICED_MS = 30_000;

const isDirect = ({ state }: { readonly state: string }): boolean => state === "direct";

const isLinkLocal = (ip: string): boolean => ip.startsWith("fe80:");

async function meet(
  startLab: StartLab,
): Promise<{ lab: Lab; ha: Member; hb: Member; da: Daemon; db: Daemon }> {
  const lab = await startLab({
    nats: { a: { kind: "port-restricted" }, b: { kind: "port-restricted" } },
    hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
    brokers: 1,
    stun: true,
  });
  const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
  if (ha === undefined || hb === undefined) throw new Error("the lab has no such hosts");
  const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
  await da.until(hb.publicKey, isDirect);
  await db.until(ha.publicKey, isDirect);
  // What follows the first meeting is over. `wg set` makes a peer that is gone: so one that is removed between a look at
  // it and a change of it, which takes some ms, comes back.
  for (const daemon of [da, db])
    while (!(await daemon.status()).peers.every(({ allowedIps }) => allowedIps.some(isLinkLocal)))
      await delay(50);
  return { lab, ha, hb, da, db };
}

async function setKey({ host, wireguard }: Member, privateKey: string): Promise<void> {
  const set = `echo ${privateKey} | wg set ${wireguard.interface} private-key /dev/stdin`;
  await host.run(["sh", "-c", set]);
}

withLab("an interface that is changed by hand", (startLab) => {
  it("meets its peers anew when it has another private key", async () => {
    const { lab, ha, hb, da, db } = await meet(startLab);
    await using _ = lab;
    const { privateKey, publicKey } = await makeKeys(ha.host.namespace);
    await hb.wireguard.set("peer", ha.publicKey, "remove");
    await hb.wireguard.set("peer", publicKey, "allowed-ips", `${ha.address}/32`);
    await setKey(ha, privateKey);
    await db.until(publicKey, isDirect, NOTICED_MS);
    expect((await da.status()).publicKey).toBe(publicKey);
    while (!(await ha.host.canPing(hb.address)));
  });

  it("forgets a peer that is removed, and meets it again when it is there again", async () => {
    const { lab, ha, hb, db } = await meet(startLab);
    await using _ = lab;
    await hb.wireguard.set("peer", ha.publicKey, "remove");
    while ((await db.status()).peers.length > 0) await delay(50);
    const told = db.peers().length;
    await hb.wireguard.set("peer", ha.publicKey, "allowed-ips", `${ha.address}/32`);
    await db.until(ha.publicKey, (peer) => isDirect(peer) && db.peers().length > told, NOTICED_MS);
    while (!(await ha.host.canPing(hb.address)));
  });

  it("is reached at another port when it has one", async () => {
    const { lab, ha, hb, da } = await meet(startLab);
    await using _ = lab;
    const at = performance.now();
    await ha.wireguard.set("listen-port", "51999");
    while (!(await ha.host.canPing(hb.address)));
    expect(performance.now() - at).toBeLessThan(NOTICED_MS);
    while (!(await da.status()).candidates.some(({ endpoint }) => endpoint.endsWith(":51999")))
      await delay(100);
  });
});
