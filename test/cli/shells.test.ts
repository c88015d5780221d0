import { beforeEach, describe, expect, it } from "vitest";
import { formatAddress, Keypair } from "../../src/index.js";
import { Home } from "../support/command.js";
import { withMandoc, withShells } from "../support/needs.js";

const SHELLS: readonly string[] = ["bash", "zsh", "fish"];

let home: Home;

beforeEach(() => {
  home = new Home();
  home.link("bin/sidewire");
  const address = (): string => formatAddress(Keypair.generate().publicKeyHex);
  home.write("config/sidewire/contacts.txt", `ben ${address()}\nbertha ${address()}\n`);
});

/** The commands and options that the help of each command tells of. */
async function grammar(): Promise<{ commands: string[]; options: string[] }> {
  const namesIn = (help: string): string[] =>
    [...(help.split("\nCommands:\n")[1]?.split("\n\n")[0] ?? "").matchAll(/^ {2}(\w+)/gm)].map(
      ([, name = ""]) => name,
    );
  const helpOf = async (...path: readonly string[]): Promise<string> =>
    (await home.run([...path, "--help"])).out;
  const top = await helpOf();
  const outer = namesIn(top);
  const helps = await Promise.all(outer.map((name) => helpOf(name)));
  const inner = helps.flatMap(namesIn);
  const options = [top, ...helps].flatMap((help) =>
    [...help.matchAll(/^ {2}(?:-\w, )?(--[a-z-]+)/gm)].map(([, o = ""]) => o),
  );
  return {
    commands: [...outer, ...inner],
    options: [...new Set(options)].filter((option) => option !== "--help"),
  };
}

async function run(shell: string, script: string): Promise<string> {
  home.write("script", script);
  const env = { PATH: `${home.path("bin")}:${process.env.PATH}` };
  const { code, out, err } = await home.shell(`exec ${shell} script`, { env }).ended;
  expect([code, err]).toEqual([0, ""]);
  return out;
}

describe("completion", () => {
  it("knows every command and option, in each shell, and so does the manual", async () => {
    const { commands, options } = await grammar();
    expect(commands).toEqual(expect.arrayContaining(["send", "contact", "rename", "completion"]));
    expect(options).toEqual(expect.arrayContaining(["--count", "--plain", "--json", "--ws-port"]));
    for (const shell of SHELLS) {
      const { code, out } = await home.run(["completion", shell]);
      expect(code).toBe(0);
      for (const name of commands) expect(out).toMatch(new RegExp(`\\b${name}\\b`));
      for (const name of options) expect(out).toContain(shell === "fish" ? `-l ${name.slice(2)} ` : name);
      expect(out).not.toContain("encrypt");
    }
    const { out } = await home.run(["man"]);
    for (const name of commands.filter((command) => command !== "contact"))
      expect(out).toMatch(new RegExp(`^\\.SS sidewire (contact )?${name}\\b`, "m"));
    for (const name of options) expect(out).toContain(name.replaceAll("-", "\\-"));
  });

  it("completes commands, options and contacts in bash", async () => {
    const out = await run(
      "bash",
      `source <(sidewire completion bash)
complete_line() {
  COMP_WORDS=(sidewire "$@"); COMP_CWORD=$#
  _sidewire sidewire
  echo "$*: \${COMPREPLY[*]}"
}
complete_line se
complete_line send b
complete_line --json --timeout 9 probe be
complete_line send ben b
complete_line send --pl
complete_line contact re
complete_line contact remove bert
complete_line completion f
complete_line --timeout ""
complete_line listen --accept scr
complete_line listen -- x
`,
    );
    expect(out.split("\n")).toEqual([
      "se: send",
      "send b: ben bertha",
      "--json --timeout 9 probe be: ben bertha",
      "send ben b: ",
      "send --pl: --plain",
      "contact re: remove rename",
      "contact remove bert: bertha",
      "completion f: fish",
      "--timeout : ",
      "listen --accept scr: script",
      "listen -- x: ",
      "",
    ]);
  });

  it("refuses a shell that it does not know", async () => {
    const { code, err } = await home.run(["completion", "csh"]);
    expect([code, err]).toEqual([2, expect.stringContaining("Allowed choices are bash, zsh, fish")]);
  });
});

withShells("in other shells", () => {
  it("completes in fish, and zsh takes the script", async () => {
    const out = await run(
      "fish --no-config",
      `sidewire completion fish | source
for line in "sidewire se" "sidewire send b" "sidewire contact re" "sidewire send --pl" "sidewire completion z"
  complete -C $line | string replace -r '\\t.*' ''
end
exit 0
`,
    );
    expect(out.trim().split("\n")).toEqual(["send", "ben", "bertha", "remove", "rename", "--plain", "zsh"]);
    const names = await run(
      "zsh -f",
      `autoload -U compinit && compinit -u -D
source <(sidewire completion zsh)
compadd() { print -r -- "$names" }
print -r -- "$_comps[sidewire]"
_sidewire__dest
`,
    );
    expect(names).toBe("_sidewire\nben bertha\n");
  });
});

describe("the manual page", () => {
  it("is text that roff cannot take for a request or an escape", async () => {
    const { code, out } = await home.run(["man"]);
    expect(code).toBe(0);
    for (const line of out.trimEnd().split("\n")) {
      expect(line).toMatch(/^(\.(TH|SH|SS|TP|B|RS|RE|nf|fi)\b|[^.'])/);
      expect(line).toMatch(/^[ -~]*$/);
      expect(line.replaceAll(/\\(-|e|&|\[u[0-9A-F]{4,6}\])/g, "")).not.toContain("\\");
    }
    for (const section of ["NAME", "SYNOPSIS", "COMMANDS", "EXIT STATUS", "ENVIRONMENT", "FILES"])
      expect(out).toContain(`\n.SH ${section}\n`);
  });
});

withMandoc("the manual page for mandoc", (problemsOf) => {
  it("has nothing to be warned of", async () => {
    const { out } = await home.run(["man"]);
    expect(problemsOf(out)).toEqual([]);
  });
});
