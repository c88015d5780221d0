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

\`FAULTS_WRITE=1 npm run test:faults\` writes this page. The brokers are real processes on loopback addresses: mosquitto or,
where mosquitto is missing, aedes. Where a case needs it, a proxy stands in front of them and stalls, cuts, delays, drops,
duplicates or reorders. The day in simulated time uses brokers in memory. Without \`FAULTS_WRITE\`, the same tests run and
write nothing. \`FAULTS_SECONDS\` sets how long brokers come and go in case 1. The default is 60 s, also in \`npm test\`.
\`FAULTS_SEED\` repeats the random choices of a row. The processes still behave a little differently each time.

- **lost**: acknowledged, and never shown to the application
- **doubled**: shown twice
- **out of order**: shown after a message that was sent later on the same pipe

A message may be shown and not acknowledged. Such a message counts as none of these three. Its sender was told that nobody
answered in time, and that is true.

A row fails the test run unless all three counts are 0. If the remarks say "all", the row also fails unless every sent message
was acknowledged.
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
