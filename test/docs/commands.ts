import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./pages.js";

/** What every machine that follows the documentation has, or is told to install. */
const TOOLS: ReadonlySet<string> = new Set([
  ..."cat cd chmod chown cp curl echo export install ls mkdir printf rm set sudo true".split(" "),
  ..."certbot docker git mosquitto mosquitto_passwd mosquitto_pub mosquitto_sub openssl pip".split(" "),
]);

/** What npm does without a script. */
const NPM_COMMANDS = new Set(["ci", "install", "pack", "publish"]);

interface PackageJson {
  readonly bin?: Readonly<Record<string, string>>;
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
    const words = (command.match(/"[^"]*"|'[^']*'|\S+/g) ?? []).filter((word) => !/^[A-Z_]+=/.test(word));
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
  if (name === "sidewire") return problemOfOwn(args);
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
function problemOfOwn([subcommand = "", ...args]: readonly string[]): string | undefined {
  const file = project.bin?.sidewire;
  if (file === undefined) return "package.json has no bin";
  if (subcommand.startsWith("-")) return undefined;
  try {
    if (!helpTexts.has(subcommand)) {
      const help = execFileSync(process.execPath, [join(ROOT, file), subcommand, "--help"], {
        encoding: "utf8",
      });
      helpTexts.set(subcommand, help);
    }
  } catch (error) {
    return `no subcommand ${subcommand}: ${String(error)}`;
  }
  const help = helpTexts.get(subcommand) ?? "";
  if (!new RegExp(`\\b${subcommand}\\b`).test(help)) return `no subcommand ${subcommand}`;
  const unknown = args.find((arg) => /^--\w/.test(arg) && !help.includes(arg.replace(/=.*/, "")));
  return unknown === undefined ? undefined : `no option ${unknown}`;
}
