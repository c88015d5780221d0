import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { find } from "../../test/support/find.js";

/**
 * Programs that a lab is made of, and Debian's packages with them. mosquitto is not among them: where it is missing,
 * brokers are aedes.
 */
const PROGRAMS: Readonly<Record<string, string>> = {
  ip: "iproute2",
  tc: "iproute2",
  nft: "nftables",
  nsenter: "util-linux",
  unshare: "util-linux",
  conntrack: "conntrack",
  wg: "wireguard-tools",
  "wireguard-go": "wireguard-go",
  turnserver: "coturn",
  ping: "iputils-ping",
};

/** What a lab cannot be built without, and is not there; undefined where it can be built. */
export function missing(): string | undefined {
  if (process.platform !== "linux") return "it needs Linux";
  if (process.getuid?.() !== 0) return "it needs root, such as by sudo";
  const programs = Object.keys(PROGRAMS).filter((program) => find(program) === undefined);
  const packages = new Set(programs.map((program) => PROGRAMS[program]));
  if (programs.length > 0)
    return `missing: ${programs.join(", ")} (Debian: apt install ${[...packages].join(" ")})`;
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
