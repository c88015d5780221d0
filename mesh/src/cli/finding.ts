import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { printable, wrapped } from "./printable.js";

/** The result of one check. `bad` means that tunnels cannot work; `warning` means that some may not work. */
export interface Finding {
  readonly check: string;
  readonly level: "ok" | "warning" | "bad";
  readonly message: string;
  /** What to do about it. */
  readonly advice?: string;
}

export function ok(check: string, message: string): Finding {
  return { check, level: "ok", message };
}

export function warning(check: string, message: string, advice: string): Finding {
  return { check, level: "warning", message, advice };
}

export function bad(check: string, message: string, advice: string): Finding {
  return { check, level: "bad", message, advice };
}

/** Prints each finding as soon as it is known. @returns 1 when one of them is bad */
export async function tell({ output, signal }: Context, findings: AsyncIterable<Finding>): Promise<ExitCode> {
  let isBad = false;
  for await (const finding of findings) {
    signal.throwIfAborted();
    isBad ||= finding.level === "bad";
    await output.result(finding, () => paragraph(output, finding));
  }
  return isBad ? 1 : 0;
}

function paragraph({ paint, columns }: Context["output"], finding: Finding): string {
  const { check, level, message, advice } = finding;
  const mark = { ok: paint.green("✓"), warning: paint.yellow("!"), bad: paint.red("✗") }[level];
  const text = wrapped(`  ${check}: ${printable(message)}`, columns).slice(2 + check.length);
  const todo = advice === undefined ? "" : `\n${wrapped(`  → ${printable(advice)}`, columns)}`;
  return `${mark} ${paint.bold(check)}${text}${todo.replace("→", paint.dim("→"))}`;
}
