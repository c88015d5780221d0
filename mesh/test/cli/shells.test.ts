import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { withMandoc, withShells } from "../../../test/support/needs.js";
import { Running, run } from "../support/command.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const SHELLS: readonly string[] = ["bash", "zsh", "fish"];

/** A folder with the command in `bin`, in which scripts run. */
let folder: string;

beforeEach(() => {
  folder = temporaryFolder();
  mkdirSync(join(folder, "bin"));
  symlinkSync(join(import.meta.dirname, "../../bin/sidewire-mesh.js"), join(folder, "bin/sidewire-mesh"));
  // The interfaces of a machine are not for a test to make.
  writeFileSync(join(folder, "bin/ls"), "#!/bin/sh\nprintf 'eth0\\nwg0\\nwg1\\n'\n");
  chmodSync(join(folder, "bin/ls"), 0o755);
  writeFileSync(join(folder, "wg0.json"), "{}");
});

interface Help {
  readonly path: string;
  readonly text: string;
}

function namesIn(help: string): string[] {
  const [, list = ""] = help.split("\nCommands:\n");
  return Array.from((list.split("\n\n")[0] ?? "").matchAll(/^ {2}([a-z-]+)/gm), ([, name = ""]) => name);
}

/** The help of every command, groups included. */
async function helps(): Promise<Help[]> {
  const helpOf = async (...path: readonly string[]): Promise<Help> => ({
    path: path.join(" "),
    text: (await run([...path, "--help"])).out,
  });
  const top = await helpOf();
  const outer = await Promise.all(namesIn(top.text).map((name) => helpOf(name)));
  const inner = outer.flatMap(({ path, text }) => namesIn(text).map((name) => helpOf(path, name)));
  return [top, ...outer, ...(await Promise.all(inner))];
}

async function shell(program: string, script: string): Promise<string> {
  writeFileSync(join(folder, "script"), script);
  const env = { PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH}`, HOME: folder };
  const args = ["-c", `exec ${program} script`];
  const { code, out, err } = await new Running("bash", args, { env, cwd: folder }).ended;
  expect([code, err]).toEqual([0, ""]);
  return out;
}

describe("completion", () => {
  it("knows every command and option, in each shell, and so does the manual", async () => {
    const all = await helps();
    const options = new Set(
      all.flatMap(({ text }) =>
        Array.from(text.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm), ([, one = ""]) => one),
      ),
    );
    options.delete("--help");
    const leaves = all.filter(({ path, text }) => path !== "" && namesIn(text).length === 0);
    expect(leaves.map(({ path }) => path)).toEqual(
      expect.arrayContaining(["up", "rotate-key", "service status"]),
    );
    expect([...options]).toEqual(expect.arrayContaining(["--create", "--count", "--json", "--no-hosts"]));
    for (const name of SHELLS) {
      const { code, out } = await run(["completion", name]);
      expect(code).toBe(0);
      for (const { path } of leaves)
        for (const word of path.split(" ")) expect(out).toMatch(new RegExp(`\\b${word}\\b`));
      for (const option of options)
        expect(out).toContain(name === "fish" ? `-l ${option.slice(2)} ` : option);
    }
    const { out } = await run(["man"]);
    const headings = Array.from(out.matchAll(/^\.SS sidewire\\-mesh (.*)$/gm), ([, one = ""]) =>
      one.replaceAll("\\-", "-"),
    );
    for (const { path } of leaves)
      expect(headings.filter((heading) => `${heading} `.startsWith(`${path} `))).toHaveLength(1);
    expect(headings).toHaveLength(leaves.length);
    for (const option of options) expect(out).toContain(option.replaceAll("-", "\\-"));
  });

  it("completes commands, options, interfaces and files in bash", async () => {
    const out = await shell(
      "bash",
      `source <(sidewire-mesh completion bash)
complete_line() {
  COMP_WORDS=(sidewire-mesh "$@"); COMP_CWORD=$#
  _sidewire_mesh sidewire-mesh
  echo "$*: \${COMPREPLY[*]}"
}
complete_line rot
complete_line up w
complete_line up wg0 w
complete_line up --listen-port 5 wg
complete_line ping -c 3 x --in
complete_line ping x -i wg
complete_line service ins
complete_line service status wg
complete_line up --config wg
complete_line config check wg
complete_line --listen-port ""
complete_line completion f
`,
    );
    expect(out.split("\n")).toEqual([
      "rot: rotate-key",
      "up w: wg0 wg1",
      "up wg0 w: ",
      "up --listen-port 5 wg: wg0 wg1",
      "ping -c 3 x --in: --interface",
      "ping x -i wg: wg0 wg1",
      "service ins: install",
      "service status wg: wg0 wg1",
      "up --config wg: wg0.json",
      "config check wg: wg0.json",
      "--listen-port : ",
      "completion f: fish",
      "",
    ]);
  });

  it("refuses a shell that it does not know", async () => {
    const { code, err } = await run(["completion", "csh"]);
    expect([code, err]).toEqual([2, expect.stringContaining("Allowed choices are bash, zsh, fish")]);
  });
});

withShells("in other shells", () => {
  it("completes in fish, and zsh takes the script", async () => {
    const lines = [
      "sidewire-mesh rot",
      "sidewire-mesh up w",
      "sidewire-mesh service ins",
      "sidewire-mesh service status --w",
      "sidewire-mesh status --w",
      "sidewire-mesh config check wg",
      "sidewire-mesh completion z",
    ];
    const out = await shell(
      "fish --no-config",
      `sidewire-mesh completion fish | source
for line in ${lines.map((line) => `"${line}"`).join(" ")}
  echo "$line: "(complete -C $line | string replace -r '\\t.*' '' | string join ' ')
end
`,
    );
    expect(out.trimEnd().split("\n")).toEqual([
      "sidewire-mesh rot: rotate-key",
      "sidewire-mesh up w: wg0 wg1",
      "sidewire-mesh service ins: install",
      // No word, so no line: this is not the command status, which has --watch.
      "",
      "sidewire-mesh status --w: --watch",
      "sidewire-mesh config check wg: wg0.json",
      "sidewire-mesh completion z: zsh",
    ]);
    const names = await shell(
      "zsh -f",
      `autoload -U compinit && compinit -u -D
source <(sidewire-mesh completion zsh)
compadd() { print -r -- "$names" }
print -r -- "$_comps[sidewire-mesh]"
_sidewire-mesh__interface
`,
    );
    expect(names).toBe("_sidewire-mesh\neth0 wg0 wg1\n");
  });
});

describe("the manual page", () => {
  it("has every section, and every file and variable", async () => {
    const { code, out } = await run(["man"]);
    expect(code).toBe(0);
    for (const section of ["NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS", "ENVIRONMENT", "FILES"])
      expect(out).toContain(`\n.SH ${section}\n`);
    for (const line of out.trimEnd().split("\n")) {
      expect(line).toMatch(/^(\.(TH|SH|SS|TP|B|RS|RE|nf|fi)\b|[^.'])/);
      expect(line).toMatch(/^[ -~]*$/);
    }
    expect(out).toContain("\n.B /run/sidewire\\-mesh/IF.sock\n");
    expect(out).toContain("\n.B SIDEWIRE_MESH_PEER\n");
  });
});

withMandoc("the manual page for mandoc", (problemsOf) => {
  it("has nothing to be warned of", async () => {
    const { out } = await run(["man"]);
    expect(problemsOf(out)).toEqual([]);
    expect(problemsOf(`${out}.XX\n`)).toHaveLength(1);
  });
});
