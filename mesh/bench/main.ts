/**
 * `npm run bench:mesh`: everything, into `RESULTS.md`, in about 20 minutes. Arguments choose sections
 * (`npm run bench:mesh -- first-ping`), which are only printed then; a number is that of rounds, or of seconds to be idle.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus, loadavg } from "node:os";
import { fileURLToPath } from "node:url";
import { type Row, tableOf } from "../../bench/report.js";
import { find } from "../../test/support/find.js";
import { missing } from "../lab/missing.js";
import { contendersText } from "./contenders/rows.js";
import { firstPingRows } from "./first-ping.js";
import { idleRows } from "./idle.js";
import { peersRows } from "./peers.js";
import { relayRows } from "./relay.js";
import { throughputRows } from "./throughput.js";
import { turnRows } from "./turn.js";

const RESULTS: string = fileURLToPath(new URL("./RESULTS.md", import.meta.url));

const IDLE_S = 90;

interface Found {
  readonly rows: readonly Row[];
  /** More in Markdown, below the table. */
  readonly more?: string;
}

const SECTIONS: Readonly<Record<string, (rounds: number | undefined) => Promise<Found>>> = {
  "first-ping": (rounds = 20) => firstPingRows(rounds),
  throughput: async (rounds = 5) => ({ rows: await throughputRows(rounds) }),
  relay: async (rounds = 5) => ({ rows: await relayRows(rounds) }),
  turn: async (rounds = 5) => ({ rows: await turnRows(rounds) }),
  idle: async (seconds = IDLE_S) => ({ rows: await idleRows(seconds) }),
  peers: async () => ({ rows: await peersRows() }),
  contenders: async (rounds = 10) => ({ rows: [], more: await contendersText(rounds) }),
};

async function main(args: readonly string[]): Promise<void> {
  const lacks = missing() ?? (find("mosquitto") === undefined ? "missing: mosquitto" : undefined);
  if (lacks !== undefined) throw new Error(`the lab cannot be built here: ${lacks}`);
  const [rounds] = args.filter((arg) => /^\d+$/.test(arg)).map(Number);
  const chosen = args.filter((arg) => !/^\d+$/.test(arg));
  for (const name of chosen)
    if (!Object.hasOwn(SECTIONS, name))
      throw new Error(`no section ${name}: there are ${Object.keys(SECTIONS).join(", ")}`);

  const startedAt = performance.now();
  const [load = 0] = loadavg();
  const found: Found[] = [];
  for (const [name, measure] of Object.entries(SECTIONS)) {
    if (chosen.length > 0 && !chosen.includes(name)) continue;
    process.stderr.write(`${name} … `);
    found.push(await measure(rounds));
  }
  const rows = found.flatMap(({ rows }) => rows);
  const text = [...(rows.length > 0 ? [tableOf(rows)] : []), ...found.flatMap(({ more }) => more ?? [])].join(
    "\n\n",
  );
  console.log(`\n${text}`);
  if (args.length === 0)
    writeFileSync(
      RESULTS,
      resultsOf(text, load, (performance.now() - startedAt) / 1000) + writtenOf(RESULTS),
    );
}

/** The last part of the results, which people write: it stays. */
function writtenOf(path: string): string {
  const text = readFileSync(path, "utf8");
  const at = text.indexOf("\n## ");
  return at < 0 ? "" : text.slice(at);
}

function resultsOf(text: string, load: number, seconds: number): string {
  const [cpu] = cpus();
  const date = new Date().toISOString().slice(0, 16).replace("T", " ");
  return `# Results

Written by \`npm run bench:mesh\` on ${date} UTC, in ${seconds.toFixed(0)} s:
${cpus().length} × ${cpu?.model.trim() ?? "unknown CPU"}, ${process.platform} ${process.arch}, Node ${process.version}, ${firstLine("mosquitto", "-h")},
wireguard-go ${firstLine("wireguard-go", "--version").split(" ")[1]}. Load before it began: ${load.toFixed(2)}.

${text}

- Everything runs in one machine's network namespaces, without delay between them: what is measured is what programs
  take, and what real networks take comes on top. Hosts are behind port-restricted NATs, and both \`up\` start at once.
- Never met: no state file, no mapping in the NAT boxes, no session, no endpoint. Remembered: the same hosts once more,
  with the state files alone.
- The daemon keeps the compiled code of the command, so only the first of these starts has to compile all of it.
- The ping is sent each 10 ms from before the start on. The announce is seen by a subscriber at the brokers, the session by
  wireguard-go's own time stamp, the rest is in the events of \`up --json\`. Steps run side by side: the share of one is
  what passed since the latest of those before it. "–" is what was not needed, or had not happened yet.
- The tunnel by hand has the same interfaces, keys and endpoints, set by \`wg\`. Both take turns, and the result is the
  median of the ratios.
- CPU is that of the daemon and all programs that it starts, its memory that of the process as the kernel sees it.
  Memory for each peer more is heap and external memory after a garbage collection, in one process with 10 peers and with
  200. Those peers are simulated, nobody is there: neither a path that works nor an announce is among what is counted.
`;
}

function firstLine(program: string, flag: string): string {
  try {
    return execFileSync(find(program) ?? program, [flag], { encoding: "utf8" }).split("\n")[0] ?? program;
  } catch (error) {
    // mosquitto shows its help with an exit code of its own.
    const said = error instanceof Error && "stdout" in error ? String(error.stdout) : "";
    return said.split("\n")[0] || program;
  }
}

await main(process.argv.slice(2));
