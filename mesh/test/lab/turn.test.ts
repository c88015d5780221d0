import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import type { Lab, LabDescription, NatOptions } from "../../lab/index.js";
import type { PeerInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { type StartLab, withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

/** How long two hosts without a direct path may take until they are relayed, ms. */
const BAR_MS = 3000;

const isRelayed = ({ state }: PeerInfo): boolean => state === "relayed";
const isDirect = ({ state }: PeerInfo): boolean => state === "direct";
const isByTurn = ({ path }: PeerInfo): boolean => path?.kind === "turn";

interface Meeting extends AsyncDisposable {
  readonly lab: Lab;
  readonly members: Readonly<Record<string, Member>>;
  readonly ha: Member;
  readonly hb: Member;
  readonly da: Daemon;
  readonly db: Daemon;
}

/** Who may use the TURN server, with which credentials. Default: `a`, with the right ones. */
interface Users {
  readonly a?: boolean;
  readonly b?: boolean;
  readonly password?: string;
}

/** Two hosts behind symmetric NATs, which begin at the same time, and nobody who relays but a TURN server. */
async function meet(
  startLab: StartLab,
  { a = true, b = false, password }: Users = {},
  nat: NatOptions = { kind: "symmetric" },
  description: Partial<LabDescription> = {},
): Promise<Meeting> {
  const lab = await startLab({
    nats: { a: nat, b: nat },
    hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
    brokers: 2,
    stun: true,
    turn: true,
    ...description,
  });
  const members = await makeMembers(lab, ["ha", "hb", ...(description.hosts === undefined ? [] : ["hr"])]);
  const { ha, hb } = members;
  if (ha === undefined || hb === undefined) throw new Error("the lab has no such hosts");
  const credentials = join(lab.folder, "credentials");
  writeFileSync(credentials, `${lab.turn.username}\n${password ?? lab.turn.password}\n`, { mode: 0o600 });
  const more = (has: boolean): string[] =>
    has ? ["--turn", lab.turn.url, "--turn-credentials", credentials] : [];
  const da = Daemon.start(lab, ha.host, ha.wireguard, { more: more(a) });
  const db = Daemon.start(lab, hb.host, hb.wireguard, { more: more(b) });
  return { lab, members, ha, hb, da, db, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

async function both({ da, db, ha, hb }: Meeting, holds: (peer: PeerInfo) => boolean): Promise<number> {
  const [a, b] = await Promise.all([da.until(hb.publicKey, holds), db.until(ha.publicKey, holds)]);
  return Math.max(a.time, b.time);
}

/** Drops what the two NATs send to each other, or lets it pass. */
async function separate(lab: Lab, isOn: boolean): Promise<void> {
  const [a = "", b = ""] = ["a", "b"].map((nat) => lab.nat(nat).outside[0]);
  const rules = isOn ? `ip saddr ${a} ip daddr ${b} drop\nip saddr ${b} ip daddr ${a} drop` : "";
  const chain = `chain between {\ntype filter hook forward priority -300;\n${rules}\n}`;
  await lab.middle.set({ nft: `table ip apart\ndelete table ip apart\ntable ip apart {\n${chain}\n}` });
}

async function readyAt(daemon: Daemon): Promise<number> {
  const [, time] = await daemon.process.wrote(/"event":"ready","time":(\d+)/);
  return Number(time);
}

withLab("two hosts behind symmetric NATs, and a TURN server", (startLab) => {
  it.each([
    ["one of them", { a: true, b: false }],
    ["the other one", { a: false, b: true }],
    ["both", { a: true, b: true }],
  ] as const)("are relayed within 3 s when %s may use it", async (_, users) => {
    await using met = await meet(startLab, users);
    const { lab, ha, hb, da, db } = met;
    // All that passes by the server. The lab itself fails when an overlay packet comes to the middle in plaintext.
    const sniffer = lab.middle.spawn([
      ...["tcpdump", "-i", "any", "-n", "-l", "--immediate-mode", "-X", "-s0"],
      `host ${lab.turn.address.IPv4}`,
    ]);
    await sniffer.wrote(/listening on/);
    const relayedAt = await both(met, isRelayed);
    const since = Math.max(...(await Promise.all([da, db].map(readyAt))));
    console.log(`relayed after ${relayedAt - since} ms`);
    expect(relayedAt - since).toBeLessThan(BAR_MS);
    expect(da.last(hb.publicKey)?.path?.kind).toBe("turn");
    const first = PingStream.start(ha.host, hb.address);
    await first.answerAfter(Date.now());
    await first.stop();
    const secret = await ha.host.tryRun(["ping", "-n", "-c3", "-W5", "-p", "5ec4e75ec4e7", hb.address]);
    expect(secret.code, secret.stdout).toBe(0);
    await sniffer.wrote(/UDP/);
    expect(sniffer.log.replaceAll(/\s/g, "")).not.toMatch(/5ec4e75ec4e7|e75ec4e75ec4/);
    // The longest packet that the route lets through is not sent in pieces.
    const whole = await ha.host.tryRun(["ping", "-n", "-c1", "-W5", "-M", "do", "-s1380", hb.address]);
    expect(whole.code, whole.stdout).toBe(0);
    const { turn = [], peers } = await (users.a ? da : db).status();
    expect(turn).toMatchObject([{ server: lab.turn.url.slice(5) }]);
    expect(turn[0]).not.toHaveProperty("error");
    expect(peers[0]?.path?.turn).toContain(lab.turn.address.IPv4);
  });

  it("leave nothing at the server when they end", async () => {
    await using met = await meet(startLab);
    await both(met, isRelayed);
    await met.da.stop();
    await met.lab.turn.wrote(/delete: realm=<lab>, username=<lab>/);
    expect(met.lab.turn.log).toMatch(/usage: realm=<lab>/);
  });

  it("are relayed again when the server was started anew", async () => {
    await using met = await meet(startLab);
    await both(met, isRelayed);
    const ping = PingStream.start(met.ha.host, met.hb.address);
    await ping.answerAfter(Date.now());
    const restartedAt = Date.now();
    await met.lab.turn.restart();
    const backAt = await ping.answerAfter(Date.now() + 1000, 30_000);
    await ping.stop();
    console.log(`back after ${backAt - restartedAt} ms`);
    expect(backAt - restartedAt).toBeLessThan(15_000);
  });

  it("are told in words that the password is wrong", async () => {
    await using met = await meet(startLab, { password: "another one" });
    await met.da.until(met.hb.publicKey, ({ reason }) => reason.includes("symmetric"));
    for (let i = 0; i < 100; i++, await delay(50)) {
      const { turn: [server] = [] } = await met.da.status();
      if (server?.error === undefined) continue;
      expect(server.error).toBe("it does not take the username and the password");
      return;
    }
    throw new Error("status says nothing");
  });

  it("try it by netcheck", async () => {
    await using lab = await startLab({ hosts: { ha: {} }, turn: true });
    const { code, stdout } = await lab
      .host("ha")
      .tryRun([
        ...[process.execPath, join(import.meta.dirname, "../../bin/sidewire-mesh.js"), "netcheck", "--json"],
        ...["--stun", lab.turn.url.slice(5), "--brokers", lab.brokersFile, "--no-port-mapping"],
        ...["--turn", lab.turn.url, "--turn-credentials", lab.turn.credentialsFile],
      ]);
    expect(stdout, `${code}`).toMatch(/lends an address \(203\.0\.113\.3:\d+\)/);
  });
});

withLab("a path by TURN", (startLab) => {
  it("gives way to a direct one without a gap, and its address is given back", async () => {
    const lossy = { kind: "port-restricted" } as const;
    await using met = await meet(startLab, {}, lossy);
    await separate(met.lab, true);
    await both(met, isByTurn);
    const ping = PingStream.start(met.ha.host, met.hb.address);
    await ping.answerAfter(Date.now());
    const opened = Date.now();
    await separate(met.lab, false);
    const directAt = await both(met, isDirect);
    await ping.answerAfter(directAt + 500);
    const gap = ping.longestGap(opened, directAt + 500);
    const later = await ping.answerAfter(directAt + 7000);
    const pauses = ping.pauses(directAt + 1000, later);
    await ping.stop();
    console.log(`upgrade ${gap} ms after ${directAt - opened} ms, the machine's own pauses ${pauses} ms`);
    expect(gap).toBeLessThanOrEqual(atOurPace(100) + pauses);
    await met.lab.turn.wrote(/delete: realm=<lab>/, 90_000);
    const [server] = (await met.da.status()).turn ?? [];
    expect(server).toEqual({ server: met.lab.turn.url.slice(5), peers: 0 });
  }, 150_000);

  it("gives way to a peer that relays", async () => {
    const hosts = { ha: { behind: "a" }, hb: { behind: "b" }, hr: {} };
    await using met = await meet(startLab, {}, { kind: "symmetric" }, { hosts });
    await both(met, isByTurn);
    const { lab, hb, da, members } = met;
    const { hr } = members;
    if (hr === undefined) throw new Error("there is no third");
    Daemon.start(lab, hr.host, hr.wireguard, { more: ["--relay"] });
    await da.until(hb.publicKey, ({ path }) => path?.kind === "relay", 60_000);
  }, 90_000);
});
