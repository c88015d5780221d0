import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./pages.js";

/** What every machine that follows the documentation has, or is told to install. */
const TOOLS: ReadonlySet<string> = new Set([
  ..."apt-get base64 cat cd chmod chown cp curl echo export install ls mkdir printf rm set sleep tar tee true umask".split(
    " ",
  ),
  ..."ip nft ping sysctl systemctl wg wg-quick".split(" "),
  ..."certbot docker git mosquitto mosquitto_passwd mosquitto_pub mosquitto_sub openssl pip".split(" "),
]);

/** The words of a loop, before a command or alone. */
const KEYWORD = /^\s*(?:(?:until|while|do)\s|done\b)/;

/** What npm does without a script. */
const NPM_COMMANDS = new Set(["ci", "install", "pack", "publish"]);

/** The project's own commands: the files that are run, as they were built. */
const OWN = new Map([
  ["sidewire", "dist/cli.js"],
  ["sidewire-mesh", "mesh/bin/sidewire-mesh.js"],
]);

interface PackageJson {
  readonly scripts: Readonly<Record<string, string>>;
}

// The project's own file, which npm has read before.
const project = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as PackageJson;

/**
 * What is wrong with a line of a shell: a command, script, file, subcommand or option that there isn't.
 * @param named - names of files that the reader was told to make
 */
export function problemOf(line: string, named: ReadonlySet<string>): string | undefined {
  for (const command of line.replace(/(^|\s)#.*$/, "").split(/&&|\|\|?|;|&$/)) {
    const words = (command.replace(KEYWORD, "").match(/"[^"]*"|'[^']*'|\S+/g) ?? []).filter(
      (word) => !/^[A-Z_]+=/.test(word),
    );
    const problem = words.length === 0 ? undefined : problemOfCommand(words, named);
    if (problem !== undefined) return `${command.trim()}: ${problem}`;
  }
  return undefined;
}

function problemOfCommand(
  [name = "", ...args]: readonly string[],
  named: ReadonlySet<string>,
): string | undefined {
  const [first = "", second = ""] = args;
  if (name === "sudo") return problemOfCommand(args, named);
  const own = name.replace("node_modules/.bin/", "");
  if (OWN.has(own)) return problemOfOwn(own, args);
  if (name === "npm") return problemOfNpm(first, second);
  if (name === "npx") return problemOfNpx(first, args.slice(1));
  // Not a module that comes with the language, as in `python3 -m http.server`.
  if (/^(python3|node|bash)$/.test(name) && first !== "-m") return problemOfFile(first, named);
  return TOOLS.has(name) || name === "python3" ? undefined : "no command that is known here";
}

function problemOfNpm(command: string, name: string): string | undefined {
  if (NPM_COMMANDS.has(command)) return undefined;
  const script = command === "run" ? name : command;
  return script in project.scripts ? undefined : `no script "${script}" in package.json`;
}

function problemOfNpx(name: string, args: readonly string[]): string | undefined {
  if (OWN.has(name)) return problemOfOwn(name, args);
  if (!existsSync(join(ROOT, "node_modules/.bin", name))) return `no command ${name}`;
  return args
    .map((arg) => (/^[\w./-]+\/[\w./-]+$/.test(arg) ? problemOfFile(arg, new Set()) : undefined))
    .find(Boolean);
}

function problemOfFile(path: string, named: ReadonlySet<string>): string | undefined {
  return named.has(path) || existsSync(join(ROOT, path)) ? undefined : `no file ${path}`;
}

const helpTexts = new Map<string, string>();

/** Asks the command itself, as it was built. */
function problemOfOwn(name: string, [subcommand = "", ...args]: readonly string[]): string | undefined {
  if (subcommand.startsWith("-")) return undefined;
  const help = helpOf(name, subcommand);
  if (!new RegExp(`^Usage: ${name} ${subcommand}\\b`, "m").test(help)) return `no subcommand ${subcommand}`;
  // A group of commands: `multiaddr show`.
  const [first = "", ...rest] = args;
  if (/^[a-z]+$/.test(first) && new RegExp(`^Commands:[^]*^ {2}${first}\\b`, "m").test(help))
    return problemOfOwn(name, [`${subcommand} ${first}`, ...rest]);
  // What stands behind `--` is another program's.
  const own = args.slice(0, args.includes("--") ? args.indexOf("--") : undefined);
  const unknown = own.find((arg) => /^--?[a-z]/.test(arg) && !help.includes(` ${arg.replace(/=.*/, "")}`));
  return unknown === undefined ? undefined : `no option ${unknown}`;
}

function helpOf(name: string, subcommand: string): string {
  const key = `${name} ${subcommand}`;
  const known = helpTexts.get(key);
  if (known !== undefined) return known;
  const args = [join(ROOT, OWN.get(name) ?? ""), ...subcommand.split(" "), "--help"];
  const { stdout } = spawnSync(process.execPath, args, { encoding: "utf8" });
  helpTexts.set(key, stdout);
  return stdout;
}
