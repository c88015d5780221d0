import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Lab, LabDescription } from "../../lab/index.js";
import type { PeerInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { type StartLab, withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

/** How long two hosts without a direct path may take until they are relayed, ms. */
const BAR_MS = 3000;

const isRelayed = ({ state }: PeerInfo): boolean => state === "relayed";

interface Meeting extends AsyncDisposable {
  readonly lab: Lab;
  readonly ha: Member;
  readonly hb: Member;
  readonly hr: Member;
  readonly da: Daemon;
  readonly db: Daemon;
  readonly dr: Daemon;
}

/** Two hosts, and a third that relays; they begin at the same time. */
async function meet(startLab: StartLab, description: Partial<LabDescription> = {}): Promise<Meeting> {
  const lab = await startLab({
    nats: { a: { kind: "symmetric" }, b: { kind: "symmetric" } },
    hosts: { ha: { behind: "a" }, hb: { behind: "b" }, hr: {} },
    brokers: 2,
    stun: true,
    ...description,
  });
  const { ha, hb, hr } = await makeMembers(lab, ["ha", "hb", "hr"]);
  if (ha === undefined || hb === undefined || hr === undefined) throw new Error("the lab has no such hosts");
  const dr = Daemon.start(lab, hr.host, hr.wireguard, { more: ["--relay"] });
  const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
  return { lab, ha, hb, hr, da, db, dr, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let i = 0; !(await holds()); i++) {
    if (i === 100) throw new Error("it did not come to be");
    await delay(50);
  }
}

async function readyAt(daemon: Daemon): Promise<number> {
  const [, time] = await daemon.process.wrote(/"event":"ready","time":(\d+)/);
  return Number(time);
}

withLab("two hosts behind symmetric NATs, and a third that relays", (startLab) => {
  it("are relayed within 3 s, and the relay sees nothing of theirs in plaintext", async () => {
    await using met = await meet(startLab);
    const { ha, hb, hr, da, db, dr } = met;
    const sniffer = hr.host.spawn([
      "tcpdump",
      "-i",
      hr.wireguard.interface,
      "-n",
      "-l",
      "--immediate-mode",
      "not udp",
    ]);
    await sniffer.wrote(/listening on/);
    const [a, b] = await Promise.all([da.until(hb.publicKey, isRelayed), db.until(ha.publicKey, isRelayed)]);
    const since = Math.max(...(await Promise.all([da, db, dr].map(readyAt))));
    console.log(`relayed after ${a.time - since} and ${b.time - since} ms`);
    expect(Math.max(a.time, b.time) - since).toBeLessThan(BAR_MS);
    expect(a.path).toMatchObject({ kind: "relay", relay: hr.publicKey });
    const ping = PingStream.start(ha.host, hb.address);
    await ping.answerAfter(Date.now());
    await ping.stop();
    expect(sniffer.log).not.toMatch(/10\.9\.0/);
    // What it would see of packets that are for itself.
    expect(await ha.host.canPing(hr.address)).toBe(true);
    await sniffer.wrote(/10\.9\.0\.1 > 10\.9\.0\.3: ICMP/);
    const { relaying } = await dr.status();
    expect(relaying).toMatchObject([{ isOpen: true, dropped: 0 }]);
  });

  it("send smaller packets to each other, until they end, also after a SIGKILL", async () => {
    await using met = await meet(startLab);
    const { lab, ha, hb, da } = met;
    const routes = async (): Promise<string> => await ha.host.run(["ip", "route", "show", "table", "all"]);
    const before = await routes();
    await da.until(hb.publicKey, isRelayed);
    await until(async () =>
      (await routes()).includes(`${hb.address} dev ${ha.wireguard.interface} proto 173`),
    );
    const whole = await ha.host.tryRun(["ping", "-n", "-c1", "-W2", "-M", "do", "-s1332", hb.address]);
    expect(whole.code, whole.stdout).toBe(0);
    await da.process.kill();
    expect(await routes()).not.toBe(before);
    const again = Daemon.start(lab, ha.host, ha.wireguard, { stateFolder: da.stateFolder });
    await again.ready();
    await again.stop();
    expect(await routes()).toBe(before);
  });

  it("lose their path at once when the relay's owner ends it, and are told why", async () => {
    await using met = await meet(startLab);
    const { hb, hr, da, dr } = met;
    await da.until(hb.publicKey, isRelayed);
    const endedAt = Date.now();
    await dr.stop();
    const { time } = await da.until(hb.publicKey, ({ state }) => state === "lost");
    expect(time - endedAt).toBeLessThan(1000);
    await da.until(hb.publicKey, ({ reason }) => reason.includes("symmetric"));
    expect((await da.status()).peers.find(({ publicKey }) => publicKey === hr.publicKey)).toBeDefined();
  });
});
