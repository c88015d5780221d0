import { readdirSync, readFileSync } from "node:fs";
import { usageOf } from "../usage.js";

/** The programs that keep up a tunnel. Others, such as `ping`, have the name of an interface in their arguments, too. */
const PROGRAMS: readonly string[] = ["node", "MainThread", "wireguard-go", "nebula", "tincd"];

/** What the programs of hosts use: those whose command lines contain a host's interface. */
export function usageOfHosts(interfaces: readonly string[]): { cpu: number; resident: number } {
  const used = programsOf(interfaces).map((pid) => usageOf(pid));
  return {
    cpu: used.reduce((sum, { cpu }) => sum + cpu, 0),
    resident: used.reduce((sum, { own, children }) => sum + own + children, 0),
  };
}

function programsOf(interfaces: readonly string[]): number[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .map(Number)
    .filter((pid) => {
      try {
        const name = readFileSync(`/proc/${pid}/comm`, "utf8").trim();
        if (!PROGRAMS.includes(name)) return false;
        const line = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return interfaces.some((each) => line.includes(each));
      } catch {
        return false; // It has just ended.
      }
    });
}
