import { access, mkdir, readdir, readFile, rm, rmdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { checkInterfaceName } from "../device/checks.js";
import { MeshError } from "../errors.js";
import { readConfig } from "./config-files.js";
import type { Context } from "./context.js";
import { type ExitCode, InputFileError, reasonOf } from "./failure.js";
import { type Machine, thisMachine } from "./machine.js";
import { printable } from "./printable.js";
import { instanceText, MARK, unitText } from "./unit-file.js";

export interface ServiceOptions {
  readonly config?: string;
  readonly dryRun?: true;
}

/** How long `systemctl` may run, in ms. A service starts within some seconds, and ends within 45 s. */
const SYSTEMCTL_MS = 90_000;

/** The surroundings that tests replace. */
export interface ServiceSurroundings {
  /** The folder of the administrator's units. */
  readonly units: string;
  /** The folder of wg-quick's files. */
  readonly wireguard: string;
  /** The program and the script that systemd starts. */
  readonly command: readonly string[];
  readonly machine: Machine;
}

const SURROUNDINGS: ServiceSurroundings = {
  units: "/etc/systemd/system",
  wireguard: "/etc/wireguard",
  command: [process.execPath, resolve(process.argv[1] ?? "")],
  machine: thisMachine,
};

/** Makes systemd run the daemon for an interface, now and after each start of the machine. */
export async function install(
  { output, env }: Context,
  name: string,
  { config, dryRun }: ServiceOptions,
  { units, wireguard, command, machine }: ServiceSurroundings = SURROUNDINGS,
): Promise<ExitCode> {
  checkInterfaceName(name);
  // The user must see errors in the configuration now, and not in the log of a service that does not start.
  const settings = config === undefined ? undefined : await readConfig(config, env);
  const isMade = settings?.create !== undefined;
  const isOfWgQuick = !isMade && (await isThere(join(wireguard, `${name}.conf`)));
  const files = [
    { path: templatePath(units), text: unitText({ command }) },
    {
      path: instancePath(units, name),
      text: instanceText(name, {
        command,
        config: config === undefined ? undefined : resolve(config),
        isOfWgQuick,
      }),
    },
  ];
  if (dryRun) {
    for (const { path, text } of files)
      if (text !== undefined) await output.result({ path, text }, () => `# ${printable(path)}\n${text}`);
    return 0;
  }
  await checkFiles(files.map(({ path }) => path));
  await findSystemctl(machine);
  for (const { path, text } of files) await put(path, text);
  await systemctl(machine, "daemon-reload");
  await systemctl(machine, "enable", "--now", unitOf(name));
  await output.result({ installed: unitOf(name) }, () => `${unitOf(name)} runs, now and after each start`);
  output.note(`journalctl -u ${unitOf(name)} shows what it says.`);
  return 0;
}

/** Ends the service of an interface, and removes its files. */
export async function uninstall(
  { output }: Context,
  name: string,
  { units, machine }: ServiceSurroundings = SURROUNDINGS,
): Promise<ExitCode> {
  checkInterfaceName(name);
  if (!(await isThere(templatePath(units))))
    throw new MeshError("FILE", `${templatePath(units)} is not there: nothing was installed`);
  await checkFiles([templatePath(units), instancePath(units, name)]);
  await systemctl(machine, "disable", "--now", unitOf(name));
  await put(instancePath(units, name), undefined);
  // Other interfaces may still need the unit.
  const enabled = await enabledIn(units);
  if (enabled.length === 0) await put(templatePath(units), undefined);
  await systemctl(machine, "daemon-reload");
  await output.result({ uninstalled: unitOf(name), left: enabled }, () =>
    enabled.length === 0
      ? `${unitOf(name)} is removed`
      : `${unitOf(name)} is removed; still there: ${enabled.map(printable).join(", ")}`,
  );
  return 0;
}

/** Tells whether the service of an interface is installed, and whether it runs. */
export async function serviceStatus(
  { output }: Context,
  name: string,
  { machine }: ServiceSurroundings = SURROUNDINGS,
): Promise<ExitCode> {
  checkInterfaceName(name);
  const properties = ["LoadState", "UnitFileState", "ActiveState", "SubState", "StatusText"];
  const said = await systemctl(machine, "show", unitOf(name), `--property=${properties.join(",")}`);
  const values = new Map(
    said.split("\n").map((line): [string, string] => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  const of = (key: string): string => values.get(key) ?? "";
  const isInstalled = of("LoadState") === "loaded";
  const isRunning = of("ActiveState") === "active";
  const found = {
    unit: unitOf(name),
    isInstalled,
    isEnabled: of("UnitFileState").startsWith("enabled"),
    isRunning,
    status: of("StatusText"),
  };
  await output.result(found, () =>
    isInstalled
      ? [
          `${unitOf(name)} is ${found.isEnabled ? "started with the machine" : "not started with the machine"}`,
          `${printable(of("ActiveState"))} (${printable(of("SubState"))})${found.status && `: ${printable(found.status)}`}`,
        ].join("\n")
      : `${unitOf(name)} is not installed: sudo sidewire-mesh service install ${name}`,
  );
  return isRunning ? 0 : 1;
}

function unitOf(name: string): string {
  return `sidewire-mesh@${name}.service`;
}

function templatePath(units: string): string {
  return join(units, "sidewire-mesh@.service");
}

function instancePath(units: string, name: string): string {
  return join(units, `${unitOf(name)}.d`, "interface.conf");
}

/** The instances that start with the machine. */
async function enabledIn(units: string): Promise<string[]> {
  const wanted = await readdir(join(units, "multi-user.target.wants")).catch(() => []);
  return wanted.filter((one) => /^sidewire-mesh@.+\.service$/.test(one)).toSorted();
}

/**
 * Checks all files before anything is changed, so that a refusal leaves files and services as they are.
 * @throws {@link MeshError} `FILE` if another program wrote one of them
 */
async function checkFiles(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const text = await read(path);
    if (text !== undefined && !text.startsWith(MARK))
      throw new MeshError("FILE", `${path} is not of this program, and stays as it is: move it away first`);
  }
}

async function read(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new InputFileError(`cannot read ${path}: ${reasonOf(error)}`, { cause: error });
  });
}

/** Writes or removes a file of this program. */
async function put(path: string, text: string | undefined): Promise<void> {
  try {
    if (text !== undefined) {
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, text, { mode: 0o644 });
    } else if (await isThere(path)) {
      await rm(path);
      if (path.endsWith(".d/interface.conf")) await rmdir(dirname(path)).catch(() => {});
    }
  } catch (error) {
    throw new InputFileError(`cannot write ${path}: ${reasonOf(error)}`, { cause: error });
  }
}

/** @throws {@link MeshError} `MISSING_PROGRAM` */
async function findSystemctl(machine: Machine): Promise<void> {
  if ((await machine.find("systemctl")) === undefined)
    throw new MeshError("MISSING_PROGRAM", "`systemctl` is not installed: services need systemd");
}

/** @throws {@link MeshError} `MISSING_PROGRAM`, `COMMAND_FAILED` */
async function systemctl(machine: Machine, ...args: readonly string[]): Promise<string> {
  await findSystemctl(machine);
  const { code, said } = await machine.run("systemctl", args, "", SYSTEMCTL_MS);
  if (code === 0) return said;
  throw new MeshError(
    "COMMAND_FAILED",
    `\`systemctl ${args.join(" ")}\` failed: ${said.replaceAll("\n", " ")}`,
  );
}

async function isThere(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  );
}
