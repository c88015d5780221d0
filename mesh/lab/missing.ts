import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { find } from "../../test/support/find.js";

/** Programs that a lab is made of. mosquitto is not among them: where it is missing, brokers are aedes. */
const PROGRAMS: readonly string[] = [
  "ip",
  "tc",
  "nft",
  "nsenter",
  "unshare",
  "conntrack",
  "wg",
  "wireguard-go",
  "turnserver",
  "ping",
];

/** What a lab cannot be built without, and is not there; undefined where it can be built. */
export function missing(): string | undefined {
  if (process.platform !== "linux") return "it needs Linux";
  if (process.getuid?.() !== 0) return "it needs root";
  const programs = PROGRAMS.filter((program) => find(program) === undefined);
  if (programs.length > 0) return `missing: ${programs.join(", ")}`;
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
  } catch {
    return "missing: /dev/net/tun";
  }
  try {
    // Root in a container may still not be allowed to.
    execFileSync("unshare", ["--net", "nft", "list", "ruleset"], { stdio: "ignore", timeout: 10_000 });
  } catch {
    return "root may not make network namespaces or nft tables here";
  }
  return undefined;
}
