import { readFileSync } from "node:fs";

/** Whether this host forwards packets of a family that come in by an interface. True when that is unknown. */
export function isForwarding(name: string, family: 4 | 6): boolean {
  try {
    // Reading a file of the kernel does not block.
    return readFileSync(`/proc/sys/net/ipv${family}/conf/${name}/forwarding`, "utf8").trim() !== "0";
  } catch {
    return true;
  }
}
