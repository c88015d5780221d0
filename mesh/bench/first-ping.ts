import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Row, reported } from "../../bench/report.js";
import { median } from "../../bench/statistics.js";
import { type Lab, startLab } from "../lab/index.js";
import { Daemon } from "../test/support/daemon.js";
import { type Member, makeMembers } from "../test/support/mesh-lab.js";
import { BrokerWatch } from "./broker-watch.js";
import { handshakeAt } from "./handshake.js";

/** How often a ping is sent, s: what the figures are exact to. */
const PING_S = 0.01;

/** How long a first ping is waited for, ms. */
const PATIENCE_MS = 20_000;

const CODE_CACHE: string = join(import.meta.dirname, "../dist/cli/main.cache");

/** An announce is one of these, or longer; what acknowledges it is shorter. */
const ANNOUNCE_BYTES = 512;

/** What has to happen, in the usual order. */
const STEPS = [
  "both look after their interface",
  "both know their outside address",
  "an announce is with a broker",
  "both have heard of the other",
  "a probe was answered",
  "WireGuard has a session",
  "first ping there and back",
] as const;

type Step = (typeof STEPS)[number];

/** ms after the later `up`; NaN for what had not happened by then. */
type Times = ReadonlyMap<Step, number>;

/** Two hosts behind port-restricted NATs, `rounds` times: as if for the first time, and started once more. */
export async function firstPingRows(rounds: number): Promise<{ rows: Row[]; more: string }> {
  // So the first of all starts is as after an installation: nothing is kept of the command's compiled code.
  rmSync(CODE_CACHE, { force: true });
  const cold: Times[] = [];
  const kept: Times[] = [];
  for (let round = 0; round < rounds; round++) {
    // Of each round's own: keys, caches, brokers.
    await using lab = await startLab({
      nats: { na: { kind: "port-restricted" }, nb: { kind: "port-restricted" } },
      hosts: { ha: { behind: "na" }, hb: { behind: "nb" } },
      brokers: 2,
      stun: true,
    });
    const members = Object.values(await makeMembers(lab, ["ha", "hb"]));
    const watch = await BrokerWatch.start(lab);
    const folders = members.map(() => mkdtempSync(join(lab.folder, "state-")));
    cold.push(await meet(lab, members, folders, watch));
    await forget(lab, members);
    kept.push(await meet(lab, members, folders, watch));
  }
  const [first, again] = [cold.map(pingOf), kept.map(pingOf)];
  const row = (what: string, times: readonly number[], result: number, bar: number): Row => ({
    what: `first ping there and back after \`up\`, ${what} of ${rounds}`,
    measured: `${seconds(Math.min(...times))} to ${seconds(Math.max(...times))}`,
    against: "–",
    result: seconds(result),
    bar: `≤ ${bar} s`,
    met: result <= bar * 1000,
  });
  return {
    rows: [
      row("never met, median", first, median(first), 0.6),
      row("never met, the worst", first, Math.max(...first), 1.5),
      row("candidates remembered, median", again, median(again), 0.3),
      reported(
        "the same, never met, at the first start after an installation",
        seconds(first[0] ?? Number.NaN),
      ),
    ],
    more: stepsTable(cold, kept),
  };
}

/** Starts both daemons at once while one host pings the other. */
async function meet(
  lab: Lab,
  members: readonly Member[],
  folders: readonly string[],
  watch: BrokerWatch,
): Promise<Times> {
  const [one, other] = members;
  if (one === undefined || other === undefined) throw new Error("two hosts are needed");
  const ping = one.host.spawn(["ping", "-n", "-D", "-i", `${PING_S}`, other.address]);
  let startedAt = 0;
  const daemons = members.map(({ host, wireguard }, i) => {
    startedAt = Date.now();
    return Daemon.start(lab, host, wireguard, { stateFolder: folders[i] ?? "" });
  });
  const [, answered] = await ping.wrote(/^\[(\d+\.\d+)\] \d+ bytes from/m, PATIENCE_MS);
  await ping.kill();
  const handshakes = await Promise.all(members.map(({ wireguard }) => handshakeAt(wireguard.interface)));
  /** When each of the two first told something of this kind. */
  const told = (pattern: RegExp): (number | undefined)[] =>
    daemons.map((daemon) => timeOf(daemon.process.log.split("\n").find((line) => pattern.test(line))));
  const out = watch.messages().find(({ time, length }) => time >= startedAt && length >= ANNOUNCE_BYTES);
  const at: Record<Step, number | undefined> = {
    "both look after their interface": latest(told(/^\{"event":"ready"/)),
    "both know their outside address": latest(told(/"step":"seen"/)),
    "an announce is with a broker": out?.time,
    "both have heard of the other": latest(told(/"step":"heard"/)),
    "a probe was answered": earliest(told(/"step":"answered"/)),
    "WireGuard has a session": earliest(handshakes),
    "first ping there and back": Number(answered) * 1000,
  };
  await Promise.all(daemons.map((daemon) => daemon.stop()));
  return new Map(STEPS.map((step) => [step, (at[step] ?? Number.NaN) - startedAt]));
}

/** Both hosts are again as they were, but for the state folders: a daemon that ended may have left a trace in the other. */
async function forget(lab: Lab, members: readonly Member[]): Promise<void> {
  for (const { wireguard } of members) {
    const other = members.find((member) => member.wireguard !== wireguard);
    if (other === undefined) continue;
    await wireguard.set("peer", other.publicKey, "remove");
  }
  await Promise.all(["na", "nb"].map((name) => lab.nat(name).forget()));
  for (const { wireguard } of members) {
    const other = members.find((member) => member.wireguard !== wireguard);
    if (other === undefined) continue;
    await wireguard.set("peer", other.publicKey, "allowed-ips", `${other.address}/32`);
  }
}

/** When a line of the command was written. */
function timeOf(line: string | undefined): number | undefined {
  const [, time] = /"time":(\d+)/.exec(line ?? "") ?? [];
  return time === undefined ? undefined : Number(time);
}

function latest(times: readonly (number | undefined)[]): number | undefined {
  return times.includes(undefined) ? undefined : Math.max(...times.map(Number));
}

function earliest(times: readonly (number | undefined)[]): number | undefined {
  const known = times.filter((time) => time !== undefined);
  return known.length === 0 ? undefined : Math.min(...known);
}

/** The median time of each step, and what part of the whole passed since the one before. */
function stepsTable(cold: readonly Times[], kept: readonly Times[]): string {
  const columns = [columnOf(cold), columnOf(kept)];
  const lines = STEPS.map((step, i) => `| ${[step, ...columns.map((column) => column[i])].join(" | ")} |`);
  return ["| ms after the later `up` | never met | remembered |", "| --- | --- | --- |", ...lines].join("\n");
}

function columnOf(all: readonly Times[]): string[] {
  const whole = median(all.map(pingOf));
  let before = 0;
  return STEPS.map((step) => {
    const times = all.flatMap((one) => one.get(step) ?? []).filter((time) => !Number.isNaN(time));
    // It was not needed.
    if (times.length * 2 <= all.length) return "–";
    const at = median(times);
    const share = Math.max(0, at - before) / whole;
    before = Math.max(before, at);
    return `${at.toFixed(0)} (${(share * 100).toFixed(0)} %)`;
  });
}

function pingOf(times: Times): number {
  return times.get("first ping there and back") ?? Number.NaN;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} s`;
}
