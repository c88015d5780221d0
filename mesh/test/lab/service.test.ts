import { execFileSync, spawnSync } from "node:child_process";
import { chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { find } from "../../../test/support/find.js";
import { instanceText, unitText } from "../../src/cli/unit-file.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const UNIT = join(import.meta.dirname, "../../examples/sidewire-mesh@.service");

// It needs systemd's own program, as the rest here needs other programs.
describe.skipIf(find("systemd-analyze") === undefined)(
  "the systemd unit",
  { meta: { needs: "systemd-analyze" } },
  () => {
    it("has no fault that systemd finds", () => {
      const text = readFileSync(UNIT, "utf8").replace("/usr/local/bin/sidewire-mesh", "/bin/true");
      expect(faultsOf({ "sidewire-mesh@wg0.service": text })).toEqual([]);
    });

    it("has none as service install writes it, for an interface of wg-quick and for one with a configuration", () => {
      const command = ["/bin/true", "/opt/side wire/100% mesh.js"];
      const template = unitText({ command });
      for (const more of [
        { config: undefined, isOfWgQuick: true },
        { config: "/etc/side wire/wg0.json", isOfWgQuick: false },
      ])
        expect(
          faultsOf({
            "sidewire-mesh@wg0.service": template,
            "sidewire-mesh@wg0.service.d/interface.conf": instanceText("wg0", { command, ...more }) ?? "",
          }),
        ).toEqual([]);
      // What systemd would find.
      expect(faultsOf({ "sidewire-mesh@wg0.service": `${template}\n[Service]\nNonsense=yes\n` })).not.toEqual(
        [],
      );
    });
  },
);

// As root alone can it give a file to another user.
describe.skipIf(find("setpriv") === undefined || process.getuid?.() !== 0)(
  "the capabilities of the unit",
  { meta: { needs: "setpriv, as root" } },
  () => {
    it("let the daemon read a configuration in a closed home folder of another user", () => {
      const home = temporaryFolder();
      const file = join(home, "wg0.json");
      writeFileSync(file, "{}", { mode: 0o600 });
      for (const path of [file, home]) chownSync(path, 12_345, 12_345);
      const [, set = ""] = /^CapabilityBoundingSet=(.*)$/m.exec(unitText({ command: ["/bin/true"] })) ?? [];
      expect(readWith(set.split(" "), file)).toBe(0);
      expect(readWith(["CAP_NET_ADMIN"], file)).toBe(1);
    });
  },
);

/** How `cat` ends as root with these capabilities alone. */
function readWith(capabilities: readonly string[], file: string): number | null {
  const kept = capabilities.map((name) => name.replace("CAP_", "+").toLowerCase()).join(",");
  const limits = [`--bounding-set=-all,${kept}`, "--inh-caps=-all", "--no-new-privs"];
  return spawnSync("setpriv", [...limits, "cat", file]).status;
}

/** What systemd complains of, in these files of one folder of units. The first is the unit itself. */
function faultsOf(files: Readonly<Record<string, string>>): string[] {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  // The unit that it binds to has to be there.
  writeFileSync(
    join(folder, "wg-quick@.service"),
    "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
  );
  const [unit = ""] = Object.keys(files);
  const env = { ...process.env, SYSTEMD_UNIT_PATH: `${folder}:` };
  // It fails at a fault, and tells what it does not know on stderr.
  const said = execFileSync(
    "sh",
    ["-c", 'systemd-analyze verify --man=no "$0" 2>&1 || true', join(folder, unit)],
    {
      env,
      encoding: "utf8",
    },
  );
  return said.split("\n").filter((line) => /sidewire-mesh|interface\.conf/.test(line));
}
