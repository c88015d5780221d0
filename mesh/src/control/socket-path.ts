import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkInterfaceName } from "../device/checks.js";

/** The folder of the daemons' sockets: the one from systemd, otherwise one in `/run`. */
export function runtimeFolder(env: NodeJS.ProcessEnv = process.env): string {
  // If there are several folders, the first one is for this use (systemd.exec(5)).
  const [folder] = (env.RUNTIME_DIRECTORY ?? "").split(":");
  return folder || "/run/sidewire-mesh";
}

export function socketPath(folder: string, name: string): string {
  checkInterfaceName(name);
  return join(folder, `${name}.sock`);
}

/** The interfaces with a socket in this folder. Their daemons may have ended. */
export async function interfacesWithSocket(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter((file) => file.endsWith(".sock"));
  return names.map((file) => file.slice(0, -".sock".length)).toSorted();
}

/**
 * The interfaces in the own network namespace. `/sys/class/net` is not used: it shows the namespace in which it was
 * mounted.
 */
export async function interfacesHere(): Promise<ReadonlySet<string>> {
  const text = await readFile("/proc/self/net/dev", "utf8");
  return new Set(Array.from(text.matchAll(/^\s*([^\s:][^:\n]*):/gm), ([, name = ""]) => name));
}
