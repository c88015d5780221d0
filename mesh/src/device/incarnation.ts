import { readFile, readlink } from "node:fs/promises";
import type { Changes } from "./changes.js";
import type { Link } from "./network.js";

/** The number of this process's network namespace. Two namespaces may have interfaces of the same name. */
export async function networkNamespace(): Promise<string> {
  return /\d+/.exec(await readlink("/proc/self/ns/net"))?.[0] ?? "0";
}

/** The number for an interface that is about to be made. */
export const UNMADE = 0;

/**
 * Identifies an interface, and distinguishes it from a later one of the same name. The parts are the boot of the
 * machine, the network namespace, and the number that the kernel gave the interface.
 */
export async function incarnationOf(index: number): Promise<string> {
  const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
  return `${boot} ${await networkNamespace()} ${index}`;
}

/** Whether recorded changes belong to this interface, or to one that was about to be made. */
export async function isOf({ incarnation, isCreated }: Changes, { index }: Link): Promise<boolean> {
  if (incarnation === (await incarnationOf(index))) return true;
  return isCreated && incarnation === (await incarnationOf(UNMADE));
}
