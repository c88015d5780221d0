import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { withTables } from "../../../bench/simulate/document.js";
import { Random } from "../../../bench/simulate/random.js";
import { chartsOf } from "./charts.js";
import { measureCosts } from "./costs.js";
import { answer, QUICK } from "./questions.js";
import { costsTable, tablesOf } from "./tables.js";

const HELP = `Simulates meshes of up to 1000 members, with the real code of paths, facts and rosters:
npm run simulate:mesh -- [options]

  --seed N     other random numbers (default: 1)
  --out DIR    where the plots go, and the tables if there is a scale.md (default: mesh/docs/,
               but nothing is written with --seed)
`;

const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    out: { type: "string" },
    help: { type: "boolean", default: false },
  },
});

if (values.help) {
  console.log(HELP);
} else {
  const seed = Number(values.seed ?? 1);
  if (!Number.isSafeInteger(seed)) throw new Error(`--seed: expected a whole number, got ${values.seed}`);
  await run(seed, values.out ?? (values.seed === undefined ? DOCS : undefined));
}

async function run(seed: number, out: string | undefined): Promise<void> {
  const startedAt = performance.now();
  const seconds = (): string => `${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s`;
  const tell = (what: string): void => console.error(`${seconds()}  ${what}`);
  tell("memory and processor time");
  const costs = measureCosts(QUICK.members, new Random(seed, "costs"));
  const answers = await answer(seed, QUICK, tell);
  const tables = [...tablesOf(answers), costsTable(costs, answers)];
  for (const { title, markdown } of tables) console.log(`\n${title}\n\n${markdown}`);
  if (out !== undefined) {
    await mkdir(out, { recursive: true });
    for (const { name, svg } of chartsOf(answers)) await writeFile(join(out, `${name}.svg`), svg);
    const document = join(out, "scale.md");
    if (existsSync(document)) await writeFile(document, withTables(await readFile(document, "utf8"), tables));
  }
  tell(`done${out === undefined ? "" : `, written to ${out}`}`);
}
