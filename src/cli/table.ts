import Table from "cli-table3";
import stringWidth from "string-width";

/** The title of a column. A leading `>` aligns the cells to the right. */
export type Column = string;

const GAP = "  ";

/** The minimum width of a last column that is wrapped. */
const MIN_LAST = 16;

/**
 * A table without lines. The last column is wrapped to the terminal's width, if there is a terminal. If the terminal is
 * too narrow for the other columns, each row becomes a block of lines, one line for each cell.
 */
export function table(
  head: readonly Column[],
  rows: readonly (readonly string[])[],
  dim: (text: string) => string,
  columns: number | undefined,
): string {
  const titles = head.map((title) => title.replace(/^>/, ""));
  const widths = titles.map((title, i) =>
    rows.reduce((widest, row) => Math.max(widest, stringWidth(row[i] ?? "")), stringWidth(title)),
  );
  const before = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, 0);
  const last = (columns ?? Number.POSITIVE_INFINITY) - before - 1;
  if (last < Math.min(MIN_LAST, widths.at(-1) ?? 0)) return blocks(titles, rows, dim, columns ?? 0);
  return drawn({
    head: titles.map(dim),
    rows,
    isRight: head.map((title) => title.startsWith(">")),
    last,
  });
}

function blocks(
  titles: readonly string[],
  rows: readonly (readonly string[])[],
  dim: (text: string) => string,
  columns: number,
): string {
  const widest = Math.max(...titles.map((title) => stringWidth(title)));
  const last = Math.max(1, columns - widest - GAP.length - 1);
  return rows
    .map((row) => {
      const cells = row.flatMap((cell, i) => (cell === "" ? [] : [[dim(titles[i] ?? ""), cell]]));
      return drawn({ head: undefined, rows: cells, isRight: [false, false], last });
    })
    .join("\n\n");
}

interface Drawing {
  readonly head: readonly string[] | undefined;
  readonly rows: readonly (readonly string[])[];
  readonly isRight: readonly boolean[];
  /** The maximum width of the last column. */
  readonly last: number;
}

function drawn({ head, rows, isRight, last }: Drawing): string {
  // A word that is longer than the column, such as an address, is broken. Otherwise it would be cut off.
  const hasLong = rows.some((row) => (row.at(-1) ?? "").split(" ").some((word) => stringWidth(word) > last));
  const made = new Table({
    ...(head === undefined ? {} : { head: [...head] }),
    chars: { ...NO_LINES, middle: GAP },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: isRight.map((right) => (right ? "right" : "left")),
    ...(Number.isFinite(last)
      ? {
          wordWrap: true,
          wrapOnWordBoundary: !hasLong,
          colWidths: [...isRight.slice(1).map(() => null), last],
        }
      : {}),
  });
  // One by one: a pool may have more rows than a function call can have arguments.
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
