/**
 * `npm run bench`: everything, into `RESULTS.md`. Arguments choose sections (`npm run bench -- latency ranking`),
 * which are only printed then; those with dashes go to Node (`-- throughput --cpu-prof`).
 */
import { type Mosquitto, startMosquitto } from "./mosquitto.js";
import { buildWorker, Process, removeWorker } from "./processes.js";
import { type Row, tableOf, writeResults } from "./report.js";
import { addressRows } from "./rows/addresses.js";
import { channelRows } from "./rows/channel.js";
import { eventLoopRows } from "./rows/event-loop.js";
import { latencyRows } from "./rows/latency.js";
import { memoryRows } from "./rows/memory.js";
import type { Pair } from "./rows/pair.js";
import { rankingRows } from "./rows/ranking.js";
import { startingRows } from "./rows/starting.js";
import { throughputRows } from "./rows/throughput.js";
import { verifyingRows } from "./rows/verifying.js";

interface Context {
  readonly pair: Pair;
  /** Eleven. The first six stay healthy to the end. */
  readonly brokers: readonly Mosquitto[];
  readonly broker: Mosquitto;
  readonly flags: readonly string[];
}

/** In the order in which they run; the last one breaks brokers. */
const SECTIONS: Readonly<Record<string, (context: Context) => Promise<Row[]>>> = {
  ranking: ({ pair }) => rankingRows(pair.sender),
  verifying: ({ pair }) => verifyingRows(pair.sender),
  starting: ({ pair, brokers }) => startingRows(pair.sender, brokers.slice(0, 3)),
  memory: ({ brokers, flags }) => memoryRows(brokers.slice(0, 6), flags),
  addresses: ({ pair, brokers, flags }) => addressRows(pair, brokers, flags),
  "event-loop": ({ broker, flags }) => eventLoopRows(broker, flags),
  throughput: ({ pair, broker }) => throughputRows(pair, broker),
  channel: () => channelRows(),
  latency: ({ pair, brokers }) => latencyRows(pair, brokers.slice(0, 9)),
};

/** In the order in which they are shown. */
const SHOWN: readonly string[] = [
  "latency",
  "throughput",
  "verifying",
  "starting",
  "channel",
  "memory",
  "addresses",
  "ranking",
  "event-loop",
];

const NO_CHANNEL = "- The rows about a data channel are left out: there is no Chromium on this machine.";

async function main(closers: (() => unknown)[]): Promise<void> {
  const startedAt = performance.now();
  const args = process.argv.slice(2);
  const flags = args.filter((arg) => arg.startsWith("-"));
  const chosen = args.filter((arg) => !arg.startsWith("-"));
  for (const name of chosen) {
    if (!(name in SECTIONS)) throw new Error(`no section ${name}: there are ${SHOWN.join(", ")}`);
  }

  closers.push(removeWorker);
  await buildWorker();
  const start = async (host: string): Promise<Mosquitto> => {
    const broker = await startMosquitto(host);
    closers.push(() => broker.kill());
    return broker;
  };
  const broker = await start("127.0.9.1");
  const others = Array.from({ length: 10 }, (_, i) => start(`127.0.9.${i + 2}`));
  const brokers = [broker, ...(await Promise.all(others))];
  const pair = { sender: new Process(flags), receiver: new Process(flags) };
  closers.push(
    () => pair.sender.close(),
    () => pair.receiver.close(),
  );

  const rows = new Map<string, Row[]>();
  for (const [name, measure] of Object.entries(SECTIONS)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    process.stderr.write(`${name} … `);
    rows.set(name, await measure({ pair, brokers, broker, flags }));
  }
  const table = tableOf(SHOWN.flatMap((name) => rows.get(name) ?? []));
  const leftOut = rows.get("channel")?.length === 0 ? [NO_CHANNEL] : [];
  console.log(`\n${[table, ...leftOut].join("\n")}`);
  if (chosen.length === 0)
    writeResults(table, leftOut, broker.version, (performance.now() - startedAt) / 1000);
}

const closers: (() => unknown)[] = [];
try {
  await main(closers);
} finally {
  for (const close of closers.reverse()) await close();
}
