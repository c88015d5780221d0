import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Lab } from "../../lab/index.js";
import { linkLocalAddress } from "../../src/overlay/link-local.js";
import { Daemon } from "../support/daemon.js";
import { snapshot } from "../support/device.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { type StartLab, withLab } from "../support/needs.js";

/** How long a machine that is busy may take. */
const WAIT = { timeout: 10_000 } as const;

/** A pool with one of the lab's brokers alone. */
function poolWith(lab: Lab, which: number): string {
  const pool: Record<string, object> = JSON.parse(readFileSync(lab.brokersFile, "utf8"));
  const path = join(lab.folder, `pool-${which}.json`);
  const one = Object.entries(pool).map(([family, brokers]) => [
    family,
    Object.fromEntries(Object.entries(brokers).slice(which, which + 1)),
  ]);
  writeFileSync(path, JSON.stringify(Object.fromEntries(one)));
  return path;
}

/** A configuration by which some peers are trusted. */
function trusting(lab: Lab, name: string, ...trusted: readonly Member[]): string[] {
  const path = join(lab.folder, `config-${name}.json`);
  writeFileSync(
    path,
    JSON.stringify({ peers: trusted.map(({ publicKey }) => ({ publicKey, trust: "Endpoint" })) }),
  );
  return ["--config", path];
}

interface Three extends AsyncDisposable {
  readonly lab: Lab;
  readonly a: Member;
  readonly b: Member;
  readonly c: Member;
}

/** A and C behind NATs, B in the open; A and C have no broker in common. */
async function three(startLab: StartLab): Promise<Three> {
  const lab = await startLab({
    nats: { na: { kind: "port-restricted" }, nc: { kind: "port-restricted" } },
    hosts: { ha: { behind: "na" }, hb: {}, hc: { behind: "nc" } },
    brokers: 2,
    stun: true,
  });
  const { ha: a, hb: b, hc: c } = await makeMembers(lab, ["ha", "hb", "hc"]);
  if (a === undefined || b === undefined || c === undefined) throw new Error("the lab has no such hosts");
  return { lab, a, b, c, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

withLab("facts in the tunnel", (startLab) => {
  it("tell two hosts that have no broker in common where the other is, and leave nothing behind", {
    timeout: 60_000,
  }, async () => {
    await using met = await three(startLab);
    const { lab, a, b, c } = met;
    const before = await Promise.all([a, b, c].map(({ host }) => snapshot(host)));
    const start = (one: Member, options: Parameters<typeof Daemon.start>[3]): Daemon =>
      Daemon.start(lab, one.host, one.wireguard, options);
    const daemons = [
      start(a, { brokers: poolWith(lab, 0), more: trusting(lab, "a", b) }),
      start(b, { more: trusting(lab, "b", a, c) }),
      start(c, { brokers: poolWith(lab, 1), more: trusting(lab, "c", b) }),
    ] as const;
    const [da, , dc] = daemons;
    await Promise.all([da, dc].map((daemon) => daemon.until(b.publicKey, ({ state }) => state === "direct")));
    await Promise.all([
      da.until(c.publicKey, ({ state }) => state === "direct"),
      dc.until(a.publicKey, ({ state }) => state === "direct"),
    ]);
    await expect.poll(() => a.host.canPing(c.address), WAIT).toBe(true);
    const info = await da.status();
    expect(info.troubles).toEqual([]);
    expect(info.peers.find(({ publicKey }) => publicKey === b.publicKey)?.isAlive).toBe(true);
    expect(info.facts).toBeGreaterThan(0);
    await Promise.all(daemons.map((daemon) => daemon.stop()));
    expect(await Promise.all([a, b, c].map(({ host }) => snapshot(host)))).toEqual(before);
  });

  it("are told everybody by a host that wirelink's file calls a router", { timeout: 60_000 }, async () => {
    await using met = await three(startLab);
    const { lab, a, b, c } = met;
    const wirelink = join(lab.folder, "wirelink.wg0.json");
    writeFileSync(wirelink, JSON.stringify({ Router: true }));
    const start = (one: Member, options: Parameters<typeof Daemon.start>[3]): Daemon =>
      Daemon.start(lab, one.host, one.wireguard, options);
    const da = start(a, { brokers: poolWith(lab, 0), more: trusting(lab, "a", b) });
    // This host trusts nobody, so without the file it would pass nothing on.
    start(b, { more: ["--config", wirelink] });
    start(c, { brokers: poolWith(lab, 1), more: trusting(lab, "c", b) });
    await da.until(c.publicKey, ({ state }) => state === "direct");
    await expect.poll(() => a.host.canPing(c.address), WAIT).toBe(true);
  });

  it("are not passed on between hosts that nobody trusts, and are taken back after a SIGKILL", {
    timeout: 60_000,
  }, async () => {
    await using met = await three(startLab);
    const { lab, a, b, c } = met;
    const before = await snapshot(b.host);
    const da = Daemon.start(lab, a.host, a.wireguard, { brokers: poolWith(lab, 0) });
    const db = Daemon.start(lab, b.host, b.wireguard);
    const dc = Daemon.start(lab, c.host, c.wireguard, { brokers: poolWith(lab, 1) });
    for (const daemon of [da, dc]) await daemon.until(b.publicKey, ({ state }) => state === "direct");
    const linkLocal = linkLocalAddress(Buffer.from(a.publicKey, "base64"));
    const shown = (): Promise<string> => b.host.run(["wg", "show", b.host.interface, "allowed-ips"]);
    await expect.poll(shown, WAIT).toContain(linkLocal);
    expect(da.last(c.publicKey)?.state).not.toBe("direct");
    db.process.signal("SIGKILL");
    await db.process.wrote(/\(ended with/);
    expect(await shown()).toContain(linkLocal);
    const again = Daemon.start(lab, b.host, b.wireguard, { stateFolder: db.stateFolder });
    await again.ready();
    await again.stop();
    expect(await snapshot(b.host)).toBe(before);
  });

  it("are missing where IPv6 is off, and nothing else is", { timeout: 60_000 }, async () => {
    await using met = await three(startLab);
    const { lab, a, b } = met;
    await a.host.run(["sysctl", "-qw", `net.ipv6.conf.${a.host.interface}.disable_ipv6=1`]);
    const before = await snapshot(a.host);
    const da = Daemon.start(lab, a.host, a.wireguard);
    const db = Daemon.start(lab, b.host, b.wireguard);
    await da.until(b.publicKey, ({ state }) => state === "direct");
    await expect.poll(() => a.host.canPing(b.address), WAIT).toBe(true);
    await expect
      .poll(async () => (await da.status()).troubles, WAIT)
      .toEqual([
        expect.stringMatching(/^peers do not tell this host where others are: .* Is IPv6 switched off/),
      ]);
    expect((await db.status()).troubles).toEqual([]);
    await da.stop();
    expect(await snapshot(a.host)).toBe(before);
  });
});
