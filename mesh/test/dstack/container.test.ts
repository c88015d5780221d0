import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { run } from "../support/command.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const ROOT = join(import.meta.dirname, "../../..");
const FOLDER = join(ROOT, "mesh/examples/dstack");

interface Compose {
  readonly services: Record<
    string,
    {
      readonly build: { readonly context: string; readonly dockerfile: string };
      readonly environment: Record<string, string>;
      readonly cap_add: readonly string[];
      readonly devices: readonly string[];
      readonly ports: readonly string[];
      readonly volumes: readonly string[];
    }
  >;
  readonly volumes: Record<string, unknown>;
}

const compose: Compose = parse(readFileSync(join(FOLDER, "compose.yaml"), "utf8"));
const { node } = compose.services;
if (node === undefined) throw new Error("there is no service node");

const script = readFileSync(join(FOLDER, "start.sh"), "utf8");

/** The instructions of the image, each with its words; a backslash continues a line. */
const image: readonly (readonly string[])[] = readFileSync(join(FOLDER, "Dockerfile"), "utf8")
  .replace(/^#.*\n/gm, "")
  .replace(/\\\n\s*/g, "")
  .split("\n")
  .filter((line) => line !== "")
  .map((line) => line.split(/\s+/));

const all = (instruction: string): string[][] =>
  image.filter(([name]) => name === instruction).map(([, ...words]) => words);

describe("the compose file", () => {
  it("builds an image that there is, from the whole repository", () => {
    const context = join(FOLDER, node.build.context);
    expect(context).toBe(ROOT);
    expect(join(context, node.build.dockerfile)).toBe(join(FOLDER, "Dockerfile"));
  });

  it("gives the node what it needs, by the names that the start knows", () => {
    for (const name of Object.keys(node.environment)) expect(script).toContain(`$${name}`);
    expect(node.cap_add).toEqual(["NET_ADMIN"]);
    expect(node.devices).toEqual(["/dev/net/tun:/dev/net/tun"]);
    expect(node.ports).toEqual(["8080:8080/tcp", "51820:51820/udp"]);
    expect(script).toContain("--publish 8080 ");
    expect(script).toContain("--listen-port 51820 ");
    for (const volume of node.volumes) {
      const [name = "", path = ""] = volume.split(":");
      expect(Object.keys(compose.volumes)).toContain(name);
      expect(script).toContain(`:-${path}}`);
    }
  });
});

describe("the image", () => {
  it("copies files that there are, and starts a script that can be started", () => {
    const copied = all("COPY").filter(([from]) => from !== "." && !from?.startsWith("--"));
    expect(copied).toEqual([["mesh/examples/dstack/start.sh", "/usr/local/bin/start.sh"]]);
    expect(statSync(join(FOLDER, "start.sh")).mode & 0o111).toBe(0o111);
    expect(all("ENTRYPOINT")).toEqual([['["/usr/local/bin/start.sh"]']]);
    execFileSync("sh", ["-n", join(FOLDER, "start.sh")]);
    expect(all("EXPOSE")).toEqual([["8080/tcp", "51820/udp"]]);
  });

  it("has the programs that doctor looks for", () => {
    const [install = ""] = all("RUN").flatMap(
      (words) => words.join(" ").match(/apt-get install [^&]+/) ?? [],
    );
    for (const name of ["iproute2", "nftables", "wireguard-tools", "wireguard-go"])
      expect(install.split(" ")).toContain(name);
  });

  it("has all files of the command: those that it copies are enough", () => {
    const folder = temporaryFolder();
    const parts = all("COPY").flatMap(([from, source = "", target = ""]) =>
      from === "--from=build" ? [[source.replace("/src/", ""), target] as const] : [],
    );
    expect(parts).toHaveLength(3);
    for (const [source, target] of parts) {
      expect(existsSync(join(ROOT, source))).toBe(true);
      mkdirSync(dirname(join(folder, target)), { recursive: true });
      cpSync(join(ROOT, source), join(folder, target), { recursive: true });
    }
    const [linked = ""] = all("RUN").flatMap((words) => words.join(" ").match(/ln -s (\S+)/)?.[1] ?? []);
    const said = execFileSync(process.execPath, [join(folder, linked), "--version"], { encoding: "utf8" });
    expect(said).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it("starts the command with options that it has", async () => {
    const { out } = await run(["up", "--help"]);
    const options = script.match(/ --[a-z-]+/g) ?? [];
    expect(options.length).toBeGreaterThan(5);
    for (const option of options) expect(out).toContain(option);
  });
});
