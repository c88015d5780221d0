import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { markdownTable } from "markdown-table";
import { expect } from "vitest";
import type { Facts } from "./facts.js";

const FILE: string = fileURLToPath(new URL("../../docs/brokers.md", import.meta.url));

/** The columns of both tables. */
const COLUMNS = ["mosquitto", "RabbitMQ", "NATS", "aedes"] as const;

/** Whether this run is the one that writes the tables. */
export const WRITES: boolean = process.env.BROKERS_WRITE === "1";

type Rows = Map<string, Map<string, string>>;

/** Compares what was seen of a broker with its column in docs/brokers.md, or writes that. */
export async function expectFacts(broker: string, facts: Facts): Promise<void> {
  if (WRITES) {
    await writeColumn("facts", broker, facts);
    return;
  }
  const rows = rowsOf(await readFile(FILE, "utf8"), "facts");
  const written = Object.fromEntries([...rows].map(([name, cells]) => [name, cells.get(broker)]));
  // Another version may be another broker; what the library needs of it was tested all the same.
  if (written.version === facts.version) expect(facts).toEqual(written);
}

/** Puts figures of a broker into docs/brokers.md. */
export async function reportFigures(broker: string, figures: Facts): Promise<void> {
  console.log(`${broker}: ${JSON.stringify(figures)}`);
  await writeColumn("figures", broker, figures);
}

async function writeColumn(table: string, broker: string, facts: Facts): Promise<void> {
  const text = await readFile(FILE, "utf8");
  const rows = rowsOf(text, table);
  for (const [name, value] of Object.entries(facts)) {
    const cells = rows.get(name) ?? new Map<string, string>();
    rows.set(name, cells.set(broker, value));
  }
  const lines = [...rows].map(([name, cells]) => [name, ...COLUMNS.map((column) => cells.get(column) ?? "")]);
  const made = markdownTable([["", ...COLUMNS], ...lines], { alignDelimiters: false });
  await writeFile(
    FILE,
    text.replace(blockOf(table), () => `${start(table)}\n${made}\n${end(table)}`),
  );
}

/** The rows between a table's marks. */
function rowsOf(text: string, table: string): Rows {
  const [, inside] = blockOf(table).exec(text) ?? [];
  if (inside === undefined) throw new Error(`no ${start(table)} in ${FILE}`);
  const lines = inside.split("\n").filter((line) => line.startsWith("|"));
  const [head = [], , ...rows] = lines.map((line) =>
    line
      .split("|")
      .map((cell) => cell.trim())
      .slice(1, -1),
  );
  return new Map(
    rows.map(([name = "", ...cells]) => [
      name,
      new Map(cells.map((cell, i): [string, string] => [head[i + 1] ?? "", cell])),
    ]),
  );
}

function blockOf(table: string): RegExp {
  return new RegExp(`${start(table)}([^]*?)${end(table)}`);
}

function start(table: string): string {
  return `<!-- ${table}: made by npm run test:brokers -->`;
}

function end(table: string): string {
  return `<!-- end of ${table} -->`;
}
