import { readdirSync, readFileSync } from "node:fs";

/** Ticks a second of the times in /proc: the same on every Linux that Node runs on. */
const TICKS = 100;

/** What a process and those that it started use. */
export interface Usage {
  /** s of CPU, also of children that have ended. */
  readonly cpu: number;
  /** Resident memory of the process itself, bytes. */
  readonly own: number;
  /** Of its children that run. */
  readonly children: number;
}

export function usageOf(pid: number): Usage {
  const own = statOf(pid);
  const children = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => {
      try {
        return [statOf(Number(entry))];
      } catch {
        // It has just ended.
        return [];
      }
    })
    .filter(({ parent }) => parent === pid);
  return {
    cpu: [own, ...children].reduce((sum, { cpu }) => sum + cpu, 0),
    own: own.resident,
    children: children.reduce((sum, { resident }) => sum + resident, 0),
  };
}

/** proc(5): the fields after the name, which may have spaces and parentheses itself. */
function statOf(pid: number): { parent: number; cpu: number; resident: number } {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = text
    .slice(text.lastIndexOf(")") + 2)
    .split(" ")
    .map(Number);
  const [, parent = 0] = fields;
  // utime, stime, cutime, cstime; rss in pages.
  const cpu = fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) / TICKS;
  return { parent, cpu, resident: (fields[21] ?? 0) * 4096 };
}
