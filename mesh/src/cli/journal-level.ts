import { fstatSync } from "node:fs";

/** How urgent a line is, in the numbers of syslog(3) that journald takes, too. */
export type Level = "error" | "warning" | "info";

const NUMBERS: Readonly<Record<Level, number>> = { error: 3, warning: 4, info: 6 };

/**
 * Whether a stream goes to the journal itself. systemd names the device and the inode of its stream in JOURNAL_STREAM.
 * The variable alone is not enough: a program that we run, or that runs us, may have led the stream elsewhere, and inherits
 * the variable (systemd.exec(5)).
 */
export function isJournal(stream: object, env: NodeJS.ProcessEnv): boolean {
  const { JOURNAL_STREAM } = env;
  if (!JOURNAL_STREAM || !("fd" in stream) || typeof stream.fd !== "number") return false;
  try {
    const { dev, ino } = fstatSync(stream.fd, { bigint: true });
    return JOURNAL_STREAM === `${dev}:${ino}`;
  } catch {
    // The stream is closed.
    return false;
  }
}

/** A text whose lines each begin with their level, as sd-daemon(3) describes. journald takes this prefix away again. */
export function withLevel(text: string, level: Level): string {
  // An empty piece at the end is no line.
  return text
    .split("\n")
    .map((line, at, { length }) => (at === length - 1 && line === "" ? "" : `<${NUMBERS[level]}>${line}`))
    .join("\n");
}
