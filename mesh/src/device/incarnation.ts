import { readFile, readlink } from "node:fs/promises";
import type { Changes } from "./changes.js";
import type { Link } from "./network.js";

/** The number of the network namespace of this process: two namespaces may have an interface of one name each. */
export async function networkNamespace(): Promise<string> {
  return /\d+/.exec(await readlink("/proc/self/ns/net"))?.[0] ?? "0";
}

/** The number of an interface that is about to be made. */
export const UNMADE = 0;

/**
 * Tells an interface from one of the same name that was made later: by the start of the machine, the network namespace
 * and the number that the kernel gave it.
 */
export async function incarnationOf(index: number): Promise<string> {
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return `${boot} ${await networkNamespace()} ${index}`;
}

/** Whether an interface is that of which changes were written down, or the one that was to be made then. */
export async function isOf({ incarnation, isCreated }: Changes, { index }: Link): Promise<boolean> {
  if (incarnation === (await incarnationOf(index))) return true;
  return isCreated && incarnation === (await incarnationOf(UNMADE));
}
