/**
 * Runs the demo as on a terminal and draws what it prints, for the README:
 *
 *     npx tsx examples/demo/picture.ts
 */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

const FILE: string = join(import.meta.dirname, "../../docs/demo.svg");
const FONT_PX = 13;
const COLUMN_PX = 7.8;
const LINE_PX = 18.5;
const PADDING_PX = 12;
const BAR_PX = 30;

/** What the demo's escape sequences switch on, and how that looks. */
const LOOKS: Readonly<Record<string, string>> = {
  "1": 'font-weight="700" fill="#ffffff"',
  "2": 'fill="#8b949e"',
  "31": 'fill="#ff7b72"',
  "32": 'fill="#3fb950"',
  "33": 'fill="#d29922"',
  "36": 'fill="#39c5cf"',
};

/** An escape sequence that changes the look. */
const ESCAPE = new RegExp(`(${String.fromCharCode(27)}\\[\\d+m)`);

const lines: string[] = ["\x1b[2m$\x1b[22m npm run demo", ""];
const { log } = console;
// Before the demo's own modules look at it.
Object.assign(process.stdout, { isTTY: true, hasColors: () => true });
console.log = (line = "") => {
  lines.push(...String(line).split("\n"));
};
await import("./main.js");
console.log = log;
if (process.exitCode === 0) await writeFile(FILE, draw(lines));
else log(lines.join("\n"));

function draw(text: readonly string[]): string {
  const columns = Math.max(...text.map((line) => runsOf(line).reduce((sum, { length }) => sum + length, 0)));
  const width = Math.ceil(columns * COLUMN_PX + 2 * PADDING_PX);
  const height = Math.ceil(text.length * LINE_PX + BAR_PX + PADDING_PX);
  const rows = text.flatMap((line, i) => drawLine(line, BAR_PX + (i + 1) * LINE_PX));
  const dots = ["#ff5f57", "#febc2e", "#28c840"].map(
    (fill, i) => `<circle cx="${PADDING_PX + 6 + i * 18}" cy="18" r="5.5" fill="${fill}"/>`,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="${FONT_PX}" fill="#e6edf3">`,
    '<title id="t">What npm run demo prints: two peers find each other, two brokers fail, nothing is lost or doubled</title>',
    `<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="10" fill="#0d1117" stroke="#30363d"/>`,
    ...dots,
    ...rows,
    "</svg>",
    "",
  ].join("\n");
}

/** Each run of a look at its own column, as wide as it must be, whatever the font. */
function drawLine(line: string, y: number): string[] {
  let column = 0;
  return runsOf(line).flatMap(({ look, text, length }) => {
    const from = column + (text.length - text.trimStart().length);
    column += length;
    // Blanks between columns are places, not characters.
    let at = from;
    return text
      .trim()
      .split(/( {2,})/)
      .flatMap((part) => {
        const x = PADDING_PX + at * COLUMN_PX;
        at += part.length;
        if (part.trim() === "") return [];
        const place = `x="${x.toFixed(1)}" y="${y.toFixed(1)}" textLength="${(part.length * COLUMN_PX).toFixed(1)}"`;
        return [`<text ${place}${look === undefined ? "" : ` ${look}`}>${escaped(part)}</text>`];
      });
  });
}

interface Run {
  readonly look: string | undefined;
  readonly text: string;
  readonly length: number;
}

/** A line in pieces of one look each. */
function runsOf(line: string): Run[] {
  let look: string | undefined;
  const runs: Run[] = [];
  for (const piece of line.split(ESCAPE)) {
    const code = ESCAPE.test(piece) ? piece.slice(2, -1) : undefined;
    // Whatever is no look of its own ends the one before.
    if (code !== undefined) look = LOOKS[code];
    else if (piece !== "") runs.push({ look, text: piece, length: piece.length });
  }
  return runs;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
