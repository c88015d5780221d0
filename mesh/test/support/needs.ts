/** What tests of the mesh need besides Node; in the manner of the library's own needs. */
import { execFileSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { describe, type SuiteOptions } from "vitest";
import "../../../test/support/needs.js";
import { find } from "../../../test/support/find.js";
import { type Lab, type LabDescription, startLab } from "../../lab/index.js";

/** Builds a lab; `await using` takes it down, and fails when plaintext was seen outside. */
export type StartLab = (description: LabDescription) => Promise<Lab>;

/** Programs of the lab. mosquitto is not among them: where it is missing, brokers are aedes. */
const PROGRAMS: readonly string[] = [
  "ip",
  "tc",
  "nft",
  "nsenter",
  "conntrack",
  "wg",
  "wireguard-go",
  "turnserver",
  "ping",
];

const needs = "the lab (root, /dev/net/tun, ip, nft, wg, wireguard-go, coturn)";

/** Tests in networks of their own, as `describe` has them; left out where the lab cannot be built. */
export function withLab(
  name: string,
  ...rest: [tests: (start: StartLab) => void] | [options: SuiteOptions, tests: (start: StartLab) => void]
): void {
  const [options, tests] = rest.length === 1 ? [{}, rest[0]] : rest;
  describe.skipIf(!canBuild())(name, { ...options, meta: { needs } }, () => tests(startLab));
}

function canBuild(): boolean {
  if (process.getuid?.() !== 0 || PROGRAMS.some((program) => find(program) === undefined)) return false;
  try {
    accessSync("/dev/net/tun", constants.R_OK | constants.W_OK);
    // Root in a container may still not be allowed to.
    execFileSync("unshare", ["--net", "nft", "list", "ruleset"], { stdio: "ignore", timeout: 10_000 });
    return true;
  } catch {
    return false;
  }
}
