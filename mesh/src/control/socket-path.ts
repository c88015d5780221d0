import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkInterfaceName } from "../device/checks.js";

/** Where the sockets of the daemons are: as systemd says, else in `/run`. */
export function runtimeFolder(env: NodeJS.ProcessEnv = process.env): string {
  // Of several, the first is ours (systemd.exec(5)).
  const [folder] = (env.RUNTIME_DIRECTORY ?? "").split(":");
  return folder || "/run/sidewire-mesh";
}

export function socketPath(folder: string, name: string): string {
  checkInterfaceName(name);
  return join(folder, `${name}.sock`);
}

/** The interfaces that have a socket in this folder, whether or not a daemon still listens at it. */
export async function interfacesWithSocket(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((file) => file.endsWith(".sock"));
  return names.map((file) => file.slice(0, -".sock".length)).toSorted();
}

/**
 * The interfaces of the own network namespace. Not from `/sys/class/net`, which shows the namespace that it was
 * mounted in.
 */
export async function interfacesHere(): Promise<ReadonlySet<string>> {
  const text = await readFile("/proc/self/net/dev", "utf8");
  return new Set(Array.from(text.matchAll(/^\s*([^\s:][^:\n]*):/gm), ([, name = ""]) => name));
}
