import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { median } from "../../../bench/statistics.js";
import { find } from "../../../test/support/find.js";
import { type Lab, type NatKind, startLab } from "../../lab/index.js";
import { PingStream } from "../../test/support/ping-stream.js";
import { type Contender, type Hosts, MTU } from "./contender.js";
import { nebula } from "./nebula.js";
import { usageOfHosts } from "./programs.js";
import { sidewire } from "./sidewire.js";
import { tinc } from "./tinc.js";
import { wireguard } from "./wireguard.js";

/** The first one is the floor. */
const CONTENDERS: readonly Contender[] = [wireguard, sidewire, nebula, tinc];

const STREAM: string = join(import.meta.dirname, "../stream.mjs");

/** How long a first ping, and the first one after a switch, are waited for, ms. */
const PATIENCE_MS = 30_000;
/** How long a stream is measured, s. */
const STREAM_S = 3;
/** How long to wait after a meeting until a host is called idle, and how long that is measured, ms. */
const SETTLE_MS = 15_000;
const IDLE_MS = 60_000;

const FENCE = `table ip fence {
  chain output {
    type filter hook output priority 0;
    oifname "eth*" ip daddr 10.9.0.0/24 drop
  }
}
`;

interface Round {
  /** From the start of both hosts to the first ping there and back, ms. */
  startMs: number;
  startSymmetricMs: number;
  /** From the switch of an uplink to the next ping there and back, ms. Infinity when there was none. */
  recoveryMs: number;
  /** One TCP stream, bytes a second. */
  rate: number;
  /** CPU of the programs of both hosts for a gigabit, s. */
  cpuPerGbit: number;
  /** Resident memory of the programs of one host, bytes. */
  resident: number;
}

/** What somebody would use instead, in the same networks, one round of each after the other. */
export async function contendersText(rounds: number): Promise<string> {
  const missing = ["wg-quick", "nebula", "nebula-cert", "tincd"].filter((name) => find(name) === undefined);
  if (missing.length > 0) throw new Error(`not on this machine: ${missing.join(", ")}`);
  const found = new Map(CONTENDERS.map((contender) => [contender, [] as Round[]]));
  const idle = new Map<Contender, number>();
  const versions = new Map<Contender, string>();
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? CONTENDERS : CONTENDERS.toReversed()) {
      found.get(contender)?.push({
        ...(await inLab("port-restricted", "port-restricted", (lab, hosts) =>
          wholeRound(lab, hosts, contender),
        )),
        startSymmetricMs: await inLab("symmetric", "address-restricted", async (lab, hosts) => {
          const { ping, tookMs } = await startUp(lab, hosts, contender);
          await ping.stop();
          return tookMs;
        }),
      });
      process.stderr.write(".");
    }
  }
  for (const contender of CONTENDERS)
    await inLab("port-restricted", "port-restricted", async (lab, hosts) => {
      versions.set(contender, await contender.version(lab, hosts));
      idle.set(contender, await idlePackets(lab, hosts, contender));
    });
  return table(found, idle, versions, rounds);
}

async function inLab<T>(
  one: NatKind,
  other: NatKind,
  work: (lab: Lab, hosts: Hosts) => Promise<T>,
): Promise<T> {
  await using lab = await startLab({
    nats: { na: { kind: one }, nc: { kind: one }, nb: { kind: other } },
    hosts: { ha: { behind: ["na", "nc"], down: ["eth1"] }, hb: { behind: "nb" }, hp: {} },
    brokers: 2,
    stun: true,
  });
  return await work(lab, { one: lab.host("ha"), other: lab.host("hb"), open: lab.host("hp") });
}

/** Starts both hosts while one of them pings the other one. */
async function startUp(
  lab: Lab,
  hosts: Hosts,
  contender: Contender,
): Promise<{ ping: PingStream; tookMs: number; address: string }> {
  const { address, start } = await contender.prepare(lab, hosts);
  // Pings that are sent before there is a tunnel go nowhere.
  await hosts.one.run(["nft", "-f", "-"], { input: FENCE });
  const ping = PingStream.start(hosts.one, address);
  const startedAt = Date.now();
  const programs = start();
  const answeredAt = await answerAfter(ping, startedAt);
  if (!Number.isFinite(answeredAt))
    throw new Error(`no tunnel by ${contender.name}:\n${programs.map(({ log }) => log).join("\n")}`);
  return { ping, address, tookMs: answeredAt - startedAt };
}

async function wholeRound(
  lab: Lab,
  hosts: Hosts,
  contender: Contender,
): Promise<Omit<Round, "startSymmetricMs">> {
  const { ping, tookMs, address } = await startUp(lab, hosts, contender);
  // What follows a start is over then, and a path through a third host may have been replaced by a direct one.
  await wait(5_000);
  const interfaces = [hosts.one.interface, hosts.other.interface];
  const before = usageOfHosts(interfaces);
  const rate = await stream(hosts, address);
  const after = usageOfHosts(interfaces);
  const switchedAt = Date.now();
  await hosts.one.down("eth0");
  await hosts.one.up("eth1");
  const recoveryMs = (await answerAfter(ping, Date.now())) - switchedAt;
  await ping.stop();
  return {
    startMs: tookMs,
    recoveryMs,
    rate,
    cpuPerGbit: (after.cpu - before.cpu) / ((rate * 8 * (STREAM_S + 0.5)) / 1e9),
    resident: after.resident / 2,
  };
}

/** When the next answer came, Unix ms. Infinity when none came in time. */
async function answerAfter(ping: PingStream, time: number): Promise<number> {
  return await ping.answerAfter(time, PATIENCE_MS).catch(() => Number.POSITIVE_INFINITY);
}

async function stream({ one, other }: Hosts, address: string): Promise<number> {
  const receiver = other.node(STREAM, ["receive", address]);
  const [, port = ""] = await receiver.wrote(/^port (\d+)$/m);
  one.node(STREAM, ["send", address, port, `${STREAM_S}`]);
  const [, rate] = await receiver.wrote(/^received (\S+) B\/s$/m);
  return Number(rate);
}

/** The packets of one host in a minute, in both directions, when both hosts have met and nothing flows. */
async function idlePackets(lab: Lab, hosts: Hosts, contender: Contender): Promise<number> {
  const { ping } = await startUp(lab, hosts, contender);
  await ping.stop();
  await wait(SETTLE_MS);
  const before = await packets(hosts);
  await wait(IDLE_MS);
  return ((await packets(hosts)) - before) * (60_000 / IDLE_MS);
}

async function packets({ one }: Hosts): Promise<number> {
  const text = await one.run(["cat", "/proc/net/dev"]);
  const [, counts = ""] = /^\s*eth0:(.*)$/m.exec(text) ?? [];
  // proc(5): received bytes, packets and six more, then sent bytes and packets.
  const numbers = counts.trim().split(/\s+/).map(Number);
  return (numbers[1] ?? 0) + (numbers[9] ?? 0);
}

function table(
  found: ReadonlyMap<Contender, readonly Round[]>,
  idle: ReadonlyMap<Contender, number>,
  versions: ReadonlyMap<Contender, string>,
  rounds: number,
): string {
  const columns = [
    ["", ...CONTENDERS.map(({ name }) => name)],
    ["---", ...CONTENDERS.map(() => "---")],
    line("start to first ping, both port-restricted", ({ startMs }) => startMs, seconds),
    line(
      "the same, the slowest",
      ({ startMs }) => startMs,
      seconds,
      (all) => Math.max(...all),
    ),
    line("start to first ping, symmetric and address-restricted", (each) => each.startSymmetricMs, seconds),
    line("next ping after an uplink switch", ({ recoveryMs }) => recoveryMs, seconds),
    line(
      "a TCP stream",
      ({ rate }) => rate,
      (value) => `${((value * 8) / 1e6).toFixed(0)} Mbit/s`,
    ),
    line(
      "CPU of both hosts for a gigabit",
      (each) => each.cpuPerGbit,
      (value) => `${value.toFixed(1)} s`,
    ),
    line(
      "memory of a host's programs",
      ({ resident }) => resident,
      (value) => `${(value / 1e6).toFixed(0)} MB`,
    ),
    ["packets of an idle host in a minute", ...CONTENDERS.map((each) => `${idle.get(each)?.toFixed(0)}`)],
  ];
  function line(
    what: string,
    read: (round: Round) => number,
    format: (value: number) => string,
    choose: (values: readonly number[]) => number = median,
  ): string[] {
    const values = CONTENDERS.map((each) => choose((found.get(each) ?? []).map(read)));
    return [what, ...values.map(format)];
  }
  const rows = columns.map((cells) => `| ${cells.join(" | ")} |`).join("\n");
  return `### Beside what somebody would use instead

Medians of ${rounds}, in turns: ${[...versions.values()].join(", ")}. All tunnels have an MTU of ${MTU}. A third host is a
nebula lighthouse, or the tinc node that everybody can reach. tinc's first packets go through that host, those of the others
go directly.

${rows}

${verdicts(found)}`;
}

/** What was aimed at, and whether it was reached. */
function verdicts(found: ReadonlyMap<Contender, readonly Round[]>): string {
  const of = (contender: Contender, read: (round: Round) => number): number =>
    median((found.get(contender) ?? []).map(read));
  const others = CONTENDERS.filter((each) => each !== sidewire && each !== wireguard);
  const lines = (["startMs", "startSymmetricMs"] as const).map((key) => {
    const [own, floor] = [of(sidewire, (each) => each[key]), of(wireguard, (each) => each[key])];
    const isFirst = others.every((each) => own < of(each, (round) => round[key]));
    const where = key === "startMs" ? "both port-restricted" : "symmetric and address-restricted";
    return `Start, ${where}: ${(own / floor).toFixed(2)} × the floor (goal: ≤ 1.5 ×): ${own <= 1.5 * floor ? "met" : "NOT met"}; ahead of every other: ${isFirst ? "met" : "NOT met"}.`;
  });
  const [rate, floorRate] = [of(sidewire, (each) => each.rate), of(wireguard, (each) => each.rate)];
  const isFastest = CONTENDERS.every(
    (each) => each === sidewire || of(sidewire, (r) => r.recoveryMs) < of(each, (r) => r.recoveryMs),
  );
  return [
    ...lines,
    `Throughput: ${(rate / floorRate).toFixed(2)} × the floor (goal: equal, ≥ 0.97 ×): ${rate >= 0.97 * floorRate ? "met" : "NOT met"}.`,
    `Recovery: the fastest of all: ${isFastest ? "met" : "NOT met"}.`,
  ]
    .map((text) => `- ${text}`)
    .join("\n");
}

function seconds(ms: number): string {
  return Number.isFinite(ms) ? `${(ms / 1000).toFixed(2)} s` : `none in ${PATIENCE_MS / 1000} s`;
}
