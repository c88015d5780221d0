import { expect, it } from "vitest";
import type { Lab } from "../../lab/index.js";
import type { PeerInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { snapshot } from "../support/device.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { type StartLab, withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

/** A program that is run from its source, on a busy machine. */
const START_MS = 60_000;

/** A tunnel that is not used is seen to be so within the 15 s between two looks; the other side agrees at once. */
const TIMES = { idleMs: 4_000 } as const;
const ASLEEP_MS = 60_000;

const isAsleep = ({ state }: PeerInfo): boolean => state === "asleep";
const isDirect = ({ state }: PeerInfo): boolean => state === "direct";

interface Two extends AsyncDisposable {
  readonly lab: Lab;
  readonly ha: Member;
  readonly hb: Member;
}

async function two(startLab: StartLab): Promise<Two> {
  const lab = await startLab({
    nats: { a: { kind: "port-restricted" }, b: { kind: "port-restricted" } },
    hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
    brokers: 2,
    stun: true,
  });
  const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
  if (ha === undefined || hb === undefined) throw new Error("the lab has no such hosts");
  return { lab, ha, hb, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

/** Pings until the first answer. @returns how long that took, ms */
async function pingOnce(from: Member, to: Member): Promise<number> {
  const startedAt = Date.now();
  const ping = PingStream.start(from.host, to.address);
  const answeredAt = await ping.answerAfter(startedAt);
  await ping.stop();
  return answeredAt - startedAt;
}

withLab("lazy hosts", (startLab) => {
  it("say nothing to each other until a packet needs a tunnel, and end it when none does any more", {
    timeout: 240_000,
  }, async () => {
    await using met = await two(startLab);
    const { lab, ha, hb } = met;
    const before = await Promise.all([ha, hb].map(({ host }) => snapshot(host)));
    const start = ({ host, wireguard }: Member): Daemon =>
      Daemon.start(lab, host, wireguard, { times: TIMES, more: ["--lazy"] });
    const [da, db] = [start(ha), start(hb)];
    const sleep = async (): Promise<unknown> =>
      await Promise.all([
        da.until(hb.publicKey, isAsleep, ASLEEP_MS),
        db.until(ha.publicKey, isAsleep, ASLEEP_MS),
      ]);
    await sleep();
    const listens = (one: Member) => one.wireguard.show("endpoints");
    for (const one of [ha, hb])
      await expect.poll(() => listens(one), { timeout: START_MS }).toContain("\t127.0.0.1:");

    // What a start takes is not measured.
    for (const daemon of [da, db]) {
      const open = async (): Promise<string[]> => (await daemon.status()).brokers.map(({ state }) => state);
      await expect.poll(open, { timeout: START_MS }).toEqual(["open", "open"]);
    }

    expect(await pingOnce(ha, hb)).toBeLessThan(1_500);
    await Promise.all([da.until(hb.publicKey, isDirect), db.until(ha.publicKey, isDirect)]);
    // The first thing that was said at all.
    expect(da.process.log.indexOf('"step":"announced"')).toBeGreaterThan(da.process.log.indexOf('"asleep"'));

    // A few small packets are use enough.
    const asleepBefore = da.peers().filter(isAsleep).length;
    await ha.host.run(["ping", "-n", "-i", "2", "-c", "9", hb.address]);
    expect(da.peers().filter(isAsleep)).toHaveLength(asleepBefore);

    await sleep();
    for (const one of [ha, hb]) {
      await expect.poll(() => listens(one)).toContain("\t127.0.0.1:");
      expect(await one.wireguard.show("latest-handshakes")).toMatch(/\t0\n$/);
      expect(await one.wireguard.show("persistent-keepalive")).toMatch(/\toff\n$/);
    }

    expect(await pingOnce(hb, ha)).toBeLessThan(1_500);
    await Promise.all([da.until(hb.publicKey, isDirect), db.until(ha.publicKey, isDirect)]);
    await da.stop();
    await db.stop();
    expect(await Promise.all([ha, hb].map(({ host }) => snapshot(host)))).toEqual(before);
  });

  it("are woken by a host that is not lazy, and stay awake for it", { timeout: 180_000 }, async () => {
    await using met = await two(startLab);
    const { lab, ha, hb } = met;
    const da = Daemon.start(lab, ha.host, ha.wireguard, { times: TIMES, more: ["--lazy"] });
    await da.until(hb.publicKey, isAsleep, START_MS);
    const db = Daemon.start(lab, hb.host, hb.wireguard);
    const { time } = await da.until(hb.publicKey, isDirect);
    await db.until(ha.publicKey, isDirect);
    // As long as two looks at WireGuard take: it has seen that nothing passes, and asked in vain.
    await expect
      .poll(async () => Date.now() - time, { timeout: 60_000, interval: 1_000 })
      .toBeGreaterThan(35_000);
    expect(da.last(hb.publicKey)?.state).toBe("direct");
    expect(da.peers().filter(isAsleep)).toHaveLength(1);
  });

  it("put everything back, also what one that was killed has left", { timeout: 180_000 }, async () => {
    await using met = await two(startLab);
    const { lab, ha, hb } = met;
    await ha.wireguard.set("peer", hb.publicKey, "endpoint", "198.51.100.77:7", "persistent-keepalive", "17");
    const before = await snapshot(ha.host);
    const endpoints = (): Promise<string> => ha.wireguard.show("endpoints");
    const killed = Daemon.start(lab, ha.host, ha.wireguard, { more: ["--lazy"] });
    await expect.poll(endpoints, { timeout: START_MS }).toContain("\t127.0.0.1:");
    expect(await ha.wireguard.show("persistent-keepalive")).toMatch(/\toff\n$/);
    const port = await endpoints();
    killed.process.signal("SIGKILL");
    await killed.process.wrote(/\(ended with/);
    const { stateFolder } = killed;
    const again = Daemon.start(lab, ha.host, ha.wireguard, { stateFolder, more: ["--lazy"] });
    await again.until(hb.publicKey, isAsleep, START_MS);
    await expect.poll(endpoints, { timeout: START_MS }).not.toBe(port);
    await again.stop();
    expect(await snapshot(ha.host)).toBe(before);
  });
});
