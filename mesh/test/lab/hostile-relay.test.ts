import { expect, it } from "vitest";
import type { PeerInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { IS_NO_PROBE } from "../support/losses.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { type StartLab, withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

/** What a relay does with what it should pass on. All goes out by its tunnel, as facts do, which are not meant. */
type Misdeed = { readonly drops: string } | { readonly tampers: "all" | "some" };

const LEFT: Readonly<Record<string, Misdeed>> = {
  "lets probes pass, and drops WireGuard's packets": { drops: IS_NO_PROBE },
  "lets probes pass, and changes each of WireGuard's packets": { tampers: "all" },
  "passes nothing on": { drops: "" },
};

const TAMPERING = new URL("../support/tampering-relay.mjs", import.meta.url);

/** How long a pair may take to be with another relay once data flows, ms: twice what was measured. */
const AWAY_MS = 60_000;

const isBy =
  (relay: string) =>
  ({ path }: PeerInfo): boolean =>
    path?.relay === relay;

interface Relayed extends AsyncDisposable {
  readonly ha: Member;
  readonly hb: Member;
  readonly da: Daemon;
  readonly db: Daemon;
  /** The relay that the two have now, and the other one. */
  readonly hostile: { readonly member: Member; readonly daemon: Daemon };
  readonly honest: { readonly member: Member; readonly daemon: Daemon };
}

/** Two hosts behind symmetric NATs, and two that relay; the one that is used first may become hostile. */
async function relayed(startLab: StartLab, misdeed: Misdeed): Promise<Relayed> {
  const lab = await startLab({
    nats: { a: { kind: "symmetric" }, b: { kind: "symmetric" } },
    hosts: { ha: { behind: "a" }, hb: { behind: "b" }, h1: {}, h2: {} },
    brokers: 1,
    stun: true,
  });
  const members = await makeMembers(lab, ["ha", "hb", "h1", "h2"]);
  const member = (name: string): Member => members[name] ?? expect.fail(name);
  const [ha, hb] = [member("ha"), member("hb")];
  const preload = "tampers" in misdeed ? `${TAMPERING}?${misdeed.tampers}` : undefined;
  const relays = ["h1", "h2"].map(member).map((one) => ({
    member: one,
    daemon: Daemon.start(lab, one.host, one.wireguard, { more: ["--relay"], ...(preload && { preload }) }),
  }));
  const da = Daemon.start(lab, ha.host, ha.wireguard);
  const db = Daemon.start(lab, hb.host, hb.wireguard);
  // Whichever was there first: both are as good as the other.
  const { path } = await da.until(hb.publicKey, ({ state }) => state === "relayed", 30_000);
  const hostile = relays.find((one) => one.member.publicKey === path?.relay) ?? expect.fail("no relay");
  const honest = relays.find((one) => one !== hostile) ?? expect.fail("one relay");
  await db.until(ha.publicKey, isBy(hostile.member.publicKey), 30_000);
  return { ha, hb, da, db, hostile, honest, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

/** @returns what shows that it has done it */
async function doWrong({ hostile }: Relayed, misdeed: Misdeed): Promise<() => Promise<void>> {
  const { member, daemon } = hostile;
  if ("tampers" in misdeed) {
    daemon.process.signal("SIGUSR2");
    return async () => void (await daemon.process.wrote(/tampered .*"changed":[1-9]/));
  }
  const out = `oifname "${member.wireguard.interface}" meta l4proto udp udp dport != 21842`;
  await member.host.namespace.set({
    nft: [
      "table inet hostile {",
      " chain outgoing {",
      "  type filter hook output priority 0",
      `  ${out} ${misdeed.drops} counter drop`,
      " }",
      "}",
    ].join("\n"),
  });
  return async () => {
    const rules = await member.host.run(["nft", "list", "table", "inet", "hostile"]);
    expect(rules).toMatch(/counter packets [1-9]/);
  };
}

withLab("a relay whose owner", (startLab) => {
  it.each(Object.entries(LEFT))("%s is left for another one", { timeout: 180_000 }, async (_, misdeed) => {
    await using met = await relayed(startLab, misdeed);
    const { ha, hb, da, db, honest } = met;
    const ping = PingStream.start(ha.host, hb.address);
    await ping.answerAfter(Date.now());
    const isDone = await doWrong(met, misdeed);
    const since = Date.now();
    const isAway = isBy(honest.member.publicKey);
    await Promise.all([da.until(hb.publicKey, isAway, AWAY_MS), db.until(ha.publicKey, isAway, AWAY_MS)]);
    const relayedAt = Date.now();
    const answeredAt = await ping.answerAfter(relayedAt, 10_000);
    console.log(
      `with another relay after ${relayedAt - since} ms, an answer ${Math.round(answeredAt - relayedAt)} ms later`,
    );
    await ping.stop();
    await isDone();
    // It stays away, although probes pass there.
    expect(da.last(hb.publicKey)?.path?.relay).toBe(honest.member.publicKey);
  });

  it("changes, repeats and swaps WireGuard's packets gets nothing of it into the tunnel", async () => {
    const misdeed = { tampers: "some" } as const;
    await using met = await relayed(startLab, misdeed);
    const { ha, hb, da, db, hostile } = met;
    await PingStream.start(ha.host, hb.address).answerAfter(Date.now());
    await doWrong(met, misdeed);
    const argv = ["ping", "-n", "-q", "-i0.02", "-c500", "-s200", "-p", "5ec4e7", hb.address];
    const { stdout } = await ha.host.tryRun(argv);
    const [, changed, repeated, swapped] = await hostile.daemon.process.wrote(
      /"changed":(\d{2,}),"repeated":(\d{2,}),"swapped":(\d{2,})/,
    );
    const [, loss] = /([\d.]+)% packet loss/.exec(stdout) ?? [];
    console.log(`changed ${changed}, repeated ${repeated}, swapped ${swapped}: ${loss} % of 500 pings lost`);
    // One in six is changed on the way there, and one in six on the way back: 31 % of the pings.
    expect(Number(loss)).toBeGreaterThan(5);
    expect(Number(loss)).toBeLessThan(80);
    // What comes twice, or is not what was sent, is told.
    expect(stdout).not.toMatch(/duplicates|wrong data byte|errors/);
    for (const [daemon, peer] of [
      [da, hb],
      [db, ha],
    ] as const) {
      const { peers } = await daemon.status();
      expect(peers.find(({ publicKey }) => publicKey === peer.publicKey)?.state).toBe("relayed");
    }
  }, 120_000);
});
