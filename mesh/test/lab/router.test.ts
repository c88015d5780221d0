import { expect, it } from "vitest";
import type { PeerInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { snapshot } from "../support/device.js";
import { lose } from "../support/losses.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";

/** How long a path may take to be given up while nothing flows on it, with what a busy machine takes. */
const WAIT = { timeout: 40_000, interval: 500 } as const;

/** A program that is run from its source, on a busy machine. */
const START_MS = 60_000;

/** So that nobody has to wait for 255 s. */
const TIMES = { fallbackGuardMs: 0 } as const;

const isDirect = ({ state }: PeerInfo): boolean => state === "direct";

/** By how many hosts packets come from an address: 0 in the tunnel between the two; undefined when none comes. */
async function hopsTo(from: Member, to: Member): Promise<number | undefined> {
  const argv = ["ping", "-n", "-c1", "-W1", "-I", from.host.interface, to.address];
  const [, ttl] = /ttl=(\d+)/.exec((await from.host.tryRun(argv)).stdout) ?? [];
  return ttl === undefined ? undefined : 64 - Number(ttl);
}

withLab("a router", (startLab) => {
  it("carries what is for a peer while no path leads to it, also after a SIGKILL", {
    timeout: 180_000,
  }, async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" }, b: { kind: "port-restricted" } },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" }, hr: {} },
      brokers: 2,
      stun: true,
    });
    const { ha, hb, hr } = await makeMembers(lab, ["ha", "hb", "hr"]);
    if (ha === undefined || hb === undefined || hr === undefined)
      throw new Error("the lab has no such hosts");
    for (const leaf of [ha, hb]) await leaf.wireguard.set("peer", hr.publicKey, "allowed-ips", "10.9.0.0/24");
    await hr.host.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"]);
    const all = [ha, hb, hr];
    const before = await Promise.all(all.map(({ host }) => snapshot(host)));
    Daemon.start(lab, hr.host, hr.wireguard);
    const da = Daemon.start(lab, ha.host, ha.wireguard, { times: TIMES });
    const db = Daemon.start(lab, hb.host, hb.wireguard, { times: TIMES });
    await Promise.all([
      ...[da.until(hb.publicKey, isDirect, START_MS), db.until(ha.publicKey, isDirect, START_MS)],
      ...[da, db].map((one) => one.until(hr.publicKey, isDirect, START_MS)),
    ]);
    await expect.poll(() => hopsTo(ha, hb), WAIT).toBe(0);

    await lose(lab, "all");
    await expect.poll(() => hopsTo(ha, hb), WAIT).toBe(1);
    const peer = (await da.status()).peers.find(({ publicKey }) => publicKey === hb.publicKey);
    expect(peer?.allowedIps).toContain(`${hb.address}/32`);
    expect(peer?.reason).toContain("A router carries what is for it meanwhile");

    da.process.signal("SIGKILL");
    await da.process.wrote(/\(ended with/);
    await expect.poll(() => hopsTo(ha, hb), WAIT).toBe(1);
    const { stateFolder } = da;
    const again = Daemon.start(lab, ha.host, ha.wireguard, { times: { fallbackGuardMs: 1e9 }, stateFolder });
    await again.until(hr.publicKey, isDirect, START_MS);
    // Given back, it would be taken again only after a time that nobody has.
    await expect.poll(() => hopsTo(ha, hb), WAIT).toBe(1);

    await lose(lab, "none");
    await again.until(hb.publicKey, isDirect, 90_000);
    await expect.poll(() => hopsTo(ha, hb), WAIT).toBe(0);

    // WireGuard goes to wherever a packet comes from, also when nobody looks after it.
    await lose(lab, "all");
    await Promise.all([db.stop(), again.stop()]);
    const after = await Promise.all([ha, hb].map(({ host }) => snapshot(host)));
    expect(after).toEqual(before.slice(0, 2));
  });
});
