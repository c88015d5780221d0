/** What tests of the mesh need besides Node; in the manner of the library's own needs. */
import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { describe, type SuiteOptions } from "vitest";
import { findChromium, launchChromium } from "../../../test/support/chromium.js";
import { find } from "../../../test/support/find.js";
// What a test of vitest is told of its needs is declared there.
import type {} from "../../../test/support/needs.js";
import { type Host, type Lab, type LabDescription, startLab } from "../../lab/index.js";
import { missing } from "../../lab/missing.js";
import { hasPortMapping } from "../../lab/port-mapping.js";

/** Builds a lab; `await using` takes it down, and fails when plaintext was seen outside. */
export type StartLab = (description: LabDescription) => Promise<Lab>;

const needs = "the lab (root, /dev/net/tun, ip, nft, wg, wireguard-go, coturn)";

/** Tests in networks of their own, as `describe` has them; left out where the lab cannot be built. */
export function withLab(
  name: string,
  ...rest: [tests: (start: StartLab) => void] | [options: SuiteOptions, tests: (start: StartLab) => void]
): void {
  const [options, tests] = rest.length === 1 ? [{}, rest[0]] : rest;
  describe.skipIf(missing() !== undefined)(name, { ...options, meta: { needs } }, () => tests(startLab));
}

/** As {@link withLab}, with boxes that map ports; left out where miniupnpd is missing, too. */
export function withPortMapping(name: string, tests: (start: StartLab) => void): void {
  const isMissing = missing() !== undefined || !hasPortMapping();
  describe.skipIf(isMissing)(name, { meta: { needs: "the lab, and miniupnpd" } }, () => tests(startLab));
}

/** As {@link withLab}, with packets of any sender, which Python sends; left out where that is missing, too. */
export function withRawPackets(name: string, tests: (start: StartLab) => void): void {
  const isMissing = missing() !== undefined || find("python3") === undefined;
  describe.skipIf(isMissing)(name, { meta: { needs: "the lab, and python3" } }, () => tests(startLab));
}

/** Starts a browser without a window on a host of a lab. */
export type LaunchOnHost = (lab: Lab, host: Host) => Promise<Browser>;

/** As {@link withLab}, with browsers on its hosts; left out where Chromium is missing, too. */
export function withLabAndChromium(
  name: string,
  tests: (start: StartLab, launch: LaunchOnHost) => void,
): void {
  const chromium = findChromium();
  const isMissing = missing() !== undefined || chromium === undefined;
  const launch: LaunchOnHost = async (lab, host) => {
    // A browser is started by a path alone.
    const script = join(lab.folder, `chromium-${host.name}`);
    writeFileSync(script, `#!/bin/sh\nexec ${host.namespace.command([chromium ?? ""]).join(" ")} "$@"\n`);
    chmodSync(script, 0o755);
    return await launchChromium(script, []);
  };
  describe.skipIf(isMissing)(name, { meta: { needs: "the lab, and Chromium" } }, () =>
    tests(startLab, launch),
  );
}
