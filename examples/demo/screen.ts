import { styleText } from "node:util";
import type { Count } from "./ledger.js";

/** How many characters a line may have: its picture is to be readable on a phone. */
const WIDTH = 66;

// hasColors looks at NO_COLOR and TERM; only a terminal has it.
const coloured: boolean = process.stdout.isTTY && process.stdout.hasColors();

type Style = "bold" | "dim" | "red" | "green" | "cyan" | "yellow";

/** A text in a colour, where there are colours. */
export function paint(style: Style, text: string): string {
  return coloured ? styleText(style, text) : text;
}

export function say(line = ""): void {
  console.log(line);
}

/** The title of a part, and a remark that explains it. */
export function title(text: string, remark: string): void {
  say();
  say(paint("bold", text));
  say(paint("dim", `   ${remark}`));
}

/** A text in a column: to its left or, with a negative width, to its right. Pads before it paints, for colours have a length. */
export function cell(text: string, width: number, style?: Style): string {
  const padded = width < 0 ? text.padStart(-width) : text.padEnd(width);
  return style === undefined ? padded : paint(style, padded);
}

/** An address that fits a line. */
export function short(address: string): string {
  return `${address.slice(0, 8)}…${address.slice(-4)}`;
}

export function milliseconds(ms: number): string {
  return `${ms < 100 ? ms.toFixed(1) : Math.round(ms)} ms`;
}

/** A reason that fits the rest of a line. */
export function clip(text: string, used: number): string {
  const room = WIDTH - used;
  return text.length <= room ? text : `${text.slice(0, room - 1)}…`;
}

export function ordinal(place: number): string {
  return `${place}${["st", "nd", "rd"][place - 1] ?? "th"}`;
}

/** The count at the end. */
export function showCounts(counts: readonly Count[]): void {
  const header = ["sent", "acknowledged", "shown", "lost", "doubled", "in order"];
  const widths = header.map((name) => -name.length - 2);
  const row = (values: readonly string[], styleOf: (i: number) => Style | undefined): string =>
    values.map((value, i) => cell(value, widths[i] ?? 0, styleOf(i))).join("");
  say(`  ${cell("", 10)}${row(header, () => "dim")}`);
  for (const { direction, sent, acknowledged, shown, lost, doubled, inOrder } of counts) {
    const isGood = [true, true, true, lost === 0, doubled === 0, inOrder];
    const values = [sent, acknowledged, shown, lost, doubled, inOrder ? "yes" : "no"].map(String);
    const style = (i: number): Style | undefined => (isGood[i] ? (i < 3 ? undefined : "green") : "red");
    say(`  ${cell(direction, 10)}${row(values, style)}`);
  }
}

/** The last line; returns the exit code that goes with it. */
export function verdict(problems: readonly string[]): 0 | 1 {
  say();
  if (problems.length === 0) say(paint("green", "✓ Nothing lost, nothing doubled."));
  for (const problem of problems) say(paint("red", `✗ ${problem}`));
  return problems.length === 0 ? 0 : 1;
}

/** An error for people: what happened, not where. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ("code" in error && error.code === "EADDRNOTAVAIL") {
    return `${error.message}: the demo needs 127.0.0.1 to 127.0.0.5 (macOS: sudo ifconfig lo0 alias 127.0.0.2)`;
  }
  return ["AbortError", "TimeoutError"].includes(error.name) ? "stopped: it took too long" : error.message;
}
