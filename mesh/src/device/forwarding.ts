import { readFileSync } from "node:fs";

/** Whether this host passes on packets of a family that come in by an interface; what is not known counts as yes. */
export function isForwarding(name: string, family: 4 | 6): boolean {
  try {
    // A file of the kernel, which is read at once.
    return readFileSync(`/proc/sys/net/ipv${family}/conf/${name}/forwarding`, "utf8").trim() !== "0";
  } catch {
    return true;
  }
}
