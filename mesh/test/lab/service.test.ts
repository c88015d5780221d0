import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { find } from "../../../test/support/find.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const UNIT = join(import.meta.dirname, "../../examples/sidewire-mesh@.service");

// It needs systemd's own program, as the rest here needs other programs.
describe.skipIf(find("systemd-analyze") === undefined)(
  "the systemd unit",
  { meta: { needs: "systemd-analyze" } },
  () => {
    it("has no fault that systemd finds", () => {
      const folder = temporaryFolder();
      // What it names must be there to be found: a command, and the unit that it binds to.
      const unit = join(folder, "sidewire-mesh@wg0.service");
      writeFileSync(unit, readFileSync(UNIT, "utf8").replace("/usr/local/bin/sidewire-mesh", "/bin/true"));
      writeFileSync(
        join(folder, "wg-quick@.service"),
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
      );
      const env = { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` };
      // It fails at a fault, and tells what it does not know on stderr.
      const said = execFileSync("sh", ["-c", 'systemd-analyze verify --man=no "$0" 2>&1', unit], {
        env,
        encoding: "utf8",
      });
      expect(said.split("\n").filter((line) => line.includes("sidewire-mesh"))).toEqual([]);
    });
  },
);
