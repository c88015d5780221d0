/** Tables of pages whose last column says which test shows a row. */
import { readFileSync } from "node:fs";
import { expect } from "vitest";

export interface Shown {
  readonly no: number;
  /** Tests, as `file`: and words of a title, or why there is none. */
  readonly shown: string;
}

/** A file of the mesh. */
export const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

/** The rows that begin with a number. */
export function rowsOf(page: string): Shown[] {
  const rows = page.matchAll(/^\| (\d+) \|.*\| ([^|]+) \|$/gm);
  return Array.from(rows, ([, no, shown = ""]) => ({ no: Number(no), shown }));
}

/** Each number once, in order; and the page says how many there are. */
export function expectCounted(rows: readonly Shown[], page: string, counted: string): void {
  const numbers = rows.map(({ no }) => no);
  expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
  expect(page).toContain(`lists ${numbers.length} ${counted}`);
}

/** The tests that a row names are there. */
export function expectThere(shown: string): void {
  for (const part of shown.split("; ")) {
    const [, file = "", title = ""] = /^`([a-z./-]+\.test\.ts)`: (.+)$/.exec(part) ?? [];
    expect(read(`test/${file}`)).toContain(title);
  }
}
