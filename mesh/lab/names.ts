/**
 * Names that say whose they are, so that what a killed run left can be told from what a living one uses. A lab is
 * `PID-N`: the process that made it, and the how-manieth of it.
 */
import { mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface LabName {
  readonly pid: number;
  readonly number: number;
  /** Where its files are. */
  readonly folder: string;
}

/** Where `ip netns` keeps its namespaces. */
export const NETNS = "/run/netns";

/** Where wireguard-go keeps its sockets. Namespaces share it. */
export const WIREGUARD_SOCKETS = "/var/run/wireguard";

const PREFIX = "sidewire-lab-";

/** Takes a name that nobody has. */
export function takeName(): LabName {
  const { pid } = process;
  for (let number = 1; ; number++) {
    const folder = join(tmpdir(), `${PREFIX}${pid}-${number}`);
    try {
      // Threads of one process have one pid: the folder decides.
      mkdirSync(folder, { mode: 0o700 });
      return { pid, number, folder };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** What a node's namespace is called. */
export function namespaceOf({ pid, number }: LabName, node: string): string {
  return `${PREFIX}${pid}-${number}-${node}`;
}

/** What the WireGuard interface of a host is called: at most 15 letters and digits, in small and capitals. */
export function interfaceOf({ pid, number }: LabName, host: number): string {
  return `sw${pid.toString(36)}L${number.toString(36)}H${host.toString(36)}`;
}

/** What an end of a delay line is called; see {@link interfaceOf}. */
export function delayInterfaceOf({ pid, number }: LabName, line: number, end: "a" | "b"): string {
  return `sw${pid.toString(36)}L${number.toString(36)}D${line.toString(36)}${end}`;
}

/** The pid and number in the name of a namespace or folder of a lab. */
export function readName(text: string): { pid: number; number: number } | undefined {
  const [, pid, number] = /^sidewire-lab-(\d+)-(\d+)(?:-|$)/.exec(text) ?? [];
  return pid === undefined ? undefined : { pid: Number(pid), number: Number(number) };
}

/** The pid and number in the name of an interface of a lab. */
export function readInterface(text: string): { pid: number; number: number } | undefined {
  const [, pid, number] = /^sw([0-9a-z]+)L([0-9a-z]+)[HD]/.exec(text) ?? [];
  if (pid === undefined || number === undefined) return undefined;
  return { pid: Number.parseInt(pid, 36), number: Number.parseInt(number, 36) };
}
