import { type FileHandle, open, readFile, rm, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { brokerName } from "../support/needs.js";
import { type Counts, pause } from "./ledger.js";
import { seed } from "./random.js";

const FILE: string = fileURLToPath(new URL("../../docs/faults.md", import.meta.url));

const COLUMNS = [
  "case",
  "brokers",
  "sent",
  "acknowledged",
  "shown",
  "lost",
  "doubled",
  "out of order",
  "remarks",
  "seed",
  "date",
];

const HEAD = `# What faults do to messages

Made by \`FAULTS_WRITE=1 npm run test:faults\`: real broker processes on loopback addresses, mosquitto or,
where that is missing, aedes, where needed with a proxy in front of them that stalls, cuts, delays, drops, duplicates
and reorders; the day in simulated time runs on brokers in memory. Without \`FAULTS_WRITE\` the same runs and writes nothing.
\`FAULTS_SECONDS\` sets how long brokers come and go (case 1; 60 s, in \`npm test\` too), \`FAULTS_SEED\` repeats the random choices
of a row; what the processes make of them is never quite the same.

- **lost**: acknowledged, and never shown to the application
- **doubled**: shown again
- **out of order**: shown after a message that was sent later on the same pipe
- a message that was shown and not acknowledged is neither: the sender was told that nobody
  answered in time, which is the truth

Every row fails the run unless the three are 0, and "all" in the remarks also fails it unless
everything sent was acknowledged.
`;

/** Puts a row into the table of docs/faults.md, if asked to. */
export async function report(
  name: string,
  brokers: string,
  counts: Counts | undefined,
  remarks: string,
): Promise<void> {
  console.log(`faults ${name} (seed ${seed}): ${JSON.stringify(counts ?? {})} ${remarks}`);
  if (process.env.FAULTS_WRITE !== "1") return;
  const numbers =
    counts === undefined
      ? ["", "", "", "", "", ""]
      : [counts.sent, counts.acknowledged, counts.shown, counts.lost, counts.doubled, counts.outOfOrder];
  const date = new Date().toISOString().slice(0, 10);
  const row = [name, brokers, ...numbers, remarks, seed, date].map(String);
  await locked(async () => {
    const rows = (await readRows()).filter(([other]) => other !== name);
    rows.push(row);
    rows.sort(([a = ""], [b = ""]) => a.localeCompare(b, "en", { numeric: true }));
    const table = [COLUMNS, COLUMNS.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`);
    const machine = `Node ${process.version}, ${process.platform} ${process.arch}, ${availableParallelism()} cores, ${brokerName}.`;
    await writeFile(FILE, `${HEAD}\n${machine}\n\n${table.join("\n")}\n`);
  });
}

async function readRows(): Promise<string[][]> {
  const text = await readFile(FILE, "utf8").catch(() => "");
  const lines = text.split("\n").filter((line) => line.startsWith("| "));
  return lines.slice(2).map((line) => line.slice(2, -2).split(" | "));
}

/** The cases run in several processes, and share the file. */
async function locked(work: () => Promise<void>): Promise<void> {
  const lock = `${FILE}.lock`;
  let handle: FileHandle | undefined;
  for (let tries = 0; handle === undefined; tries++) {
    handle = await open(lock, "wx").catch((error: unknown) => {
      if (tries > 500) throw error;
      return undefined;
    });
    if (handle === undefined) await pause(20);
  }
  try {
    await work();
  } finally {
    await handle.close();
    await rm(lock);
  }
}
