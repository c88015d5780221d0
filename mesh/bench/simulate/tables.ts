import { count, fixed } from "../../../bench/simulate/format.js";
import { type Table, table } from "../../../bench/simulate/table.js";
import type { Costs } from "./costs.js";
import type { PairSent } from "./pairs.js";
import { type Answers, CHURN_PER_HOUR, quantilesOf, type Spread, type Telling } from "./questions.js";
import { PROBE_BYTES } from "./traffic.js";

export function tablesOf(answers: Answers): Table[] {
  return [
    trafficTable(answers),
    churnTable(answers),
    awayTable(answers),
    spreadTable(answers),
    movedTable(answers),
    startedTable(answers),
  ];
}

/** What one node sends in an hour. */
export interface Sent {
  readonly probes: number;
  readonly facts: number;
  readonly rosters: number;
}

/** Datagrams that one node sends in an hour in which nothing happens. */
export function idleSent({ pair, comparing }: Answers, { members, idle }: Telling): Sent {
  const rosters = comparing.find((one) => one.members === members)?.onPath.messages ?? Number.NaN;
  return { probes: probesOf(pair.idle) * (members - 1), facts: idle.messages, rosters };
}

function trafficTable(answers: Answers): Table {
  const rows = answers.telling.map((telling) => {
    const { probes, facts, rosters } = idleSent(answers, telling);
    const compared = answers.comparing.find(({ members }) => members === telling.members);
    const bytes = [probes * PROBE_BYTES, telling.idle.bytes, compared?.onPath.bytes ?? Number.NaN];
    const all = bytes.reduce((a, b) => a + b);
    return [
      ...[telling.members, probes, facts, rosters].map((value) => count(Math.round(value))),
      ...[...bytes, all].map(megabytes),
      fixed((all * 8) / 3_600_000, 1),
      fixed(compared?.overBrokers ?? Number.NaN, 0),
    ];
  });
  const head = ["members", "probes and answers", "facts", "rosters", "MB: probes", "facts", "rosters", "all"];
  const title = "Sent by one node in an hour in which nothing happens";
  return table("traffic", title, [...head, "kbit/s", "messages over brokers"], rows);
}

function churnTable({ pair, telling, brokers }: Answers): Table {
  const rows = telling.map(({ members, churn }) => {
    // Half of what happens are starts, half are moves. It happens to each host, and to each of its peers.
    const events = (members - 1) * (CHURN_PER_HOUR / 2);
    const each = (of: (sent: PairSent) => number): number =>
      events *
      (["restart", "move"] as const).reduce(
        (sum, event) => sum + pair.events[event].reduce((all, one) => all + of(one), 0),
        0,
      );
    const overBrokers = each((sent) => sent.overBrokers);
    return [
      count(members),
      count(Math.round(each(probesOf))),
      count(Math.round(churn.messages)),
      fixed(
        each((sent) => sent.onPath),
        1,
      ),
      fixed(overBrokers, 1),
      fixed(overBrokers * brokers.present * 2, 0),
    ];
  });
  const head = ["members", "more probes and answers", "facts, all", "announces on paths", "over brokers"];
  const title = "Sent by one node in an hour in which 10 % of the hosts start again or move";
  return table("churn", title, [...head, "publishes, with ACKs"], rows);
}

function awayTable({ pair, telling, comparing, brokers }: Answers): Table {
  const rows = telling.map(({ members }) => {
    const away = Math.round(members / 4);
    const [first, later] = pair.absent.map((announces) => announces * away);
    const compared = comparing.find((one) => one.members === members && one.where === "a quarter away");
    return [
      ...[members, away, first ?? 0, later ?? 0].map(count),
      fixed(compared?.overBrokers ?? Number.NaN, 0),
      count(Math.round((later ?? 0) * brokers.absent)),
      count(Math.round(compared?.publishes ?? Number.NaN)),
    ];
  });
  const head = ["members", "away", "announces, first hour", "each later hour", "rosters compared"];
  const title = "Sent over the brokers by one node in an hour to members that are not there";
  return table("away", title, [...head, "publishes for announces", "for rosters"], rows);
}

function spreadTable({ spreads }: Answers): Table {
  const rows = spreads.map((spread) => [
    count(spread.members),
    spread.what === "remove" ? "removal" : "new member",
    spread.where,
    ...quantilesOf(spread.timesMs).map(seconds),
    ...backOf(spread),
    count(spread.missed),
    fixed(spread.datagrams, 0),
    fixed(spread.overBrokers, 1),
    count(spread.byAdmin),
  ]);
  const head = [
    "members",
    "what",
    "where",
    "median, s",
    "99 %",
    "worst",
    "away: median, s",
    "worst",
    "never",
  ];
  const title = "Until every member knows a change, and what that costs each of them";
  return table("spread", title, [...head, "datagrams", "over brokers", "by the admin"], rows);
}

function backOf({ backMs }: Spread): string[] {
  const [median, , worst] = quantilesOf(backMs);
  return [seconds(median), seconds(worst)];
}

function startedTable({ started }: Answers): Table {
  const rows = started.map(({ members, open, timesMs, overBrokers, tried }) => [
    count(members),
    fixed(100 * open, 0),
    ...quantilesOf(timesMs).map(seconds),
    count(members - 1 - timesMs.length),
    count(overBrokers),
    count(tried),
  ]);
  const head = ["members", "open, %", "median, s", "99 %", "worst", "never", "called over brokers"];
  const title = "Until a member that starts has a tunnel to each other one";
  return table("started", title, [...head, "places tried"], rows);
}

function movedTable({ moved }: Answers): Table {
  const rows = moved.map(({ members, loss, timesMs }) => [
    count(members),
    fixed(100 * loss, 0),
    ...quantilesOf(timesMs).map(seconds),
  ]);
  const title = "Until a peer's tunnel works again after a host got another address";
  return table("moved", title, ["members", "lost, %", "median, s", "99 %", "worst"], rows);
}

/** What differs from machine to machine. */
export function costsTable({ bytes, pathMs, viewMs }: Costs, { telling }: Answers): Table {
  const rows = telling.map(({ members, cpuMs }) => {
    const peers = members - 1;
    const memory = [bytes.path * peers, bytes.facts * peers, bytes.roster * members];
    const cpu = [pathMs * peers, cpuMs];
    return [
      count(members),
      ...[...memory, memory.reduce((a, b) => a + b)].map(megabytes),
      ...cpu.map((ms) => fixed(ms / 1000, 2)),
      fixed((100 * (cpu[0] ?? 0) + 100 * cpuMs) / 3_600_000, 2),
      fixed(viewMs.get(members) ?? Number.NaN, 1),
    ];
  });
  const head = ["members", "MB: paths", "facts", "roster", "all", "s an hour: paths", "facts", "% of a core"];
  const title = `Memory and processor time of one node (${kilobytes(bytes.path)}, ${kilobytes(bytes.facts)} and ${kilobytes(bytes.roster)} for each peer)`;
  return table("costs", title, [...head, "ms: roster read after a change"], rows);
}

/** Each probe is answered. */
function probesOf({ probes, answers }: PairSent): number {
  return probes + answers;
}

function megabytes(bytes: number): string {
  return fixed(bytes / 1e6, bytes < 1e6 ? 2 : 1);
}

function kilobytes(bytes: number): string {
  return `${fixed(bytes / 1000, 1)} kB`;
}

function seconds(ms: number): string {
  return fixed(ms / 1000, 2);
}
