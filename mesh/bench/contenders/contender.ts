import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Host, Lab, LongRunning } from "../../lab/index.js";

/** The two hosts behind NATs, and a third one that everybody can reach. */
export interface Hosts {
  readonly one: Host;
  readonly other: Host;
  readonly open: Host;
}

/** What can be started. All files are written, and what must run before is running. */
export interface Prepared {
  /** The overlay address of `other`. */
  readonly address: string;
  /** Starts both hosts at once. @returns the programs that were started */
  start(): readonly LongRunning[];
}

/** A program that connects two hosts. */
export interface Contender {
  readonly name: string;
  /** How the table calls its version, for instance `nebula 1.6.1`. */
  version(lab: Lab, hosts: Hosts): Promise<string>;
  prepare(lab: Lab, hosts: Hosts): Promise<Prepared>;
}

export const ADDRESSES = { one: "10.9.0.1", other: "10.9.0.2", open: "10.9.0.3" } as const;

/** The port of each program on each host. NAT boxes keep it, where their kind does so. */
export const PORT = 51820;

/**
 * A folder of a host. Its name contains the name of the host's interface, and so do the command lines of all programs:
 * that is how they are found.
 */
export function folderOf(lab: Lab, host: Host): string {
  const folder = join(lab.folder, `of-${host.interface}`);
  mkdirSync(folder, { recursive: true });
  return folder;
}

/** Writes a file into the folder of a host. @returns its path */
export function write(lab: Lab, host: Host, name: string, text: string, mode = 0o600): string {
  const path = join(folderOf(lab, host), name);
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, text, { mode });
  return path;
}

/**
 * Starts a program of a host in a session of its own, as a service manager does. The kernel shares out the processors by
 * sessions, so all contenders must have the same.
 */
export function startService(host: Host, argv: readonly string[], env?: NodeJS.ProcessEnv): LongRunning {
  return host.spawn(["setsid", ...argv], env);
}

/** The MTU of all tunnels, because it decides how many packets a stream takes. `sidewire-mesh` has it by default. */
export const MTU = 1280;
