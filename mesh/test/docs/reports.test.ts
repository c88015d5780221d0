import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

const rows = Array.from(
  read("docs/reports.md").matchAll(/^\| (\d+) \|.*\| ([^|]+) \|$/gm),
  ([, no, shown]) => ({
    no: Number(no),
    shown: shown ?? "",
  }),
);

it("the page of reports counts them right, each once, in order", () => {
  const numbers = rows.map(({ no }) => no);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
  expect(read("docs/reports.md")).toContain(`lists ${numbers.length} kinds of fault`);
});

it.each(rows)("report $no names a test that there is, or cannot occur: $shown", ({ shown }) => {
  if (shown === "cannot occur") return;
  const [, file = "", title = ""] = /^`([a-z/-]+\.test\.ts)`: (.+)$/.exec(shown) ?? [];
  expect(read(`test/${file}`)).toContain(title);
});
