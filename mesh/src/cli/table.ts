import Table from "cli-table3";

/** A table without lines. A leading `>` in a title aligns the cells to the right. */
export function table(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  dim: (text: string) => string,
): string {
  const made = new Table({
    head: head.map((title) => dim(title.replace(/^>/, ""))),
    chars: { ...NO_LINES, middle: "  " },
    style: { head: [], border: [], "padding-left": 0, "padding-right": 0 },
    colAligns: head.map((title) => (title.startsWith(">") ? "right" : "left")),
  });
  for (const row of rows) made.push([...row]);
  const lines = made.toString().split("\n");
  return lines.map((line) => line.trimEnd()).join("\n");
}

const NO_LINES: Readonly<Record<string, string>> = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left", "bottom-right"],
    ...["left", "left-mid", "mid", "mid-mid", "right", "right-mid"],
  ].map((name) => [name, ""]),
);
