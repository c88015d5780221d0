import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { chartsOf } from "./charts.js";
import { withTables } from "./document.js";
import { answer, FULL, QUICK } from "./questions.js";
import { tablesOf } from "./tables.js";

const HELP = `Simulates who meets where, with the library's own ranking: npm run simulate -- [options]

  --full       larger numbers; takes several times as long
  --seed N     other random numbers (default: 1)
  --out DIR    where the plots go, and the tables if there is a scale.md (default: docs/,
               but nothing is written with --full or --seed)
`;

const DOCS = fileURLToPath(new URL("../../docs/", import.meta.url));

const { values } = parseArgs({
  options: {
    full: { type: "boolean", default: false },
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
  await run(seed, values.full, values.out ?? (values.full || values.seed !== undefined ? undefined : DOCS));
}

async function run(seed: number, full: boolean, out: string | undefined): Promise<void> {
  const startedAt = performance.now();
  const seconds = (): string => `${((performance.now() - startedAt) / 1000).toFixed(0).padStart(4)} s`;
  const answers = answer(seed, full ? FULL : QUICK, (what) => console.error(`${seconds()}  ${what}`));
  const tables = tablesOf(answers);
  for (const { title, markdown } of tables) console.log(`\n${title}\n\n${markdown}`);
  if (out !== undefined) {
    await mkdir(out, { recursive: true });
    for (const { name, svg } of chartsOf(answers)) await writeFile(join(out, `${name}.svg`), svg);
    const document = join(out, "scale.md");
    if (existsSync(document)) await writeFile(document, withTables(await readFile(document, "utf8"), tables));
  }
  console.error(`${seconds()}  done${out === undefined ? "" : `, written to ${out}`}`);
}
