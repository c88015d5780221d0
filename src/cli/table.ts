import Table from "cli-table3";
import stringWidth from "string-width";

/** A column's title; with a leading `>` its cells stand to the right. */
export type Column = string;

const GAP = "  ";

/** Narrower than this, a last column is not worth wrapping. */
const MIN_LAST = 16;

/** A table without lines, whose last column is wrapped to the terminal's width where there is one. */
export function table(
  head: readonly Column[],
  rows: readonly (readonly string[])[],
  dim: (text: string) => string,
  columns: number | undefined,
): string {
  const titles = head.map((title) => title.replace(/^>/, ""));
  const before = titles
    .slice(0, -1)
    .map(
      (title, i) =>
        rows.reduce((widest, row) => Math.max(widest, stringWidth(row[i] ?? "")), stringWidth(title)) +
        GAP.length,
    )
    .reduce((sum, width) => sum + width, 0);
  const last = (columns ?? Number.POSITIVE_INFINITY) - before - 1;
  const made = new Table({
    head: titles.map(dim),
    chars: { ...NO_LINES, middle: GAP },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: head.map((title) => (title.startsWith(">") ? "right" : "left")),
    ...(Number.isFinite(last) && last >= MIN_LAST
      ? { wordWrap: true, colWidths: [...titles.slice(1).map(() => null), last] }
      : {}),
  });
  // One by one: a pool may be longer than what a call can take.
  for (const row of rows) made.push([...row]);
  return made
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

const NO_LINES: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
  ].map((name) => [name, ""]),
);
