import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { install, type ServiceSurroundings, serviceStatus, uninstall } from "../../src/cli/service.js";
import { instanceText, MARK, unitText } from "../../src/cli/unit-file.js";
import { settingsOf } from "../../src/cli/up-settings.js";
import { FakeTerminal } from "../support/fake-terminal.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const COMMAND = ["/usr/bin/node", "/opt/side wire/mesh.js"];

/** A machine whose systemctl says what a test wants, in a folder of its own. */
function machineWith(said = "", code = 0) {
  const folder = temporaryFolder();
  const asked: string[] = [];
  const surroundings: ServiceSurroundings = {
    units: join(folder, "units"),
    wireguard: join(folder, "wireguard"),
    command: COMMAND,
    machine: {
      find: async () => "/bin/systemctl",
      run: async (program, args) => {
        asked.push([program, ...args].join(" "));
        return { code, said };
      },
      read: async () => undefined,
      tryOpen: async () => undefined,
    },
  };
  mkdirSync(surroundings.wireguard);
  const context = new FakeTerminal().context();
  const at = (path: string): string => join(surroundings.units, path);
  const read = (path: string): string => readFileSync(at(path), "utf8");
  return { surroundings, context, asked, at, read, folder };
}

const UNIT = "sidewire-mesh@.service";
const INSTANCE = "sidewire-mesh@wg0.service.d/interface.conf";

describe("the units", () => {
  it("start the command that runs now, and leave what systemd fills in", () => {
    expect(unitText({ command: COMMAND })).toContain(
      `\nExecStart=/usr/bin/node "/opt/side wire/mesh.js" up %i --state \${STATE_DIRECTORY}\n`,
    );
    expect(unitText({ command: ["/a%b", "/c$d", '/e"f'] })).toContain(`ExecStart=/a%%b /c$$d "/e\\"f" up %i`);
  });

  it("say what is different for one interface, and nothing where nothing is", () => {
    const options = { command: COMMAND, config: undefined, isOfWgQuick: false };
    expect(instanceText("wg0", options)).toBeUndefined();
    expect(instanceText("wg0", { ...options, isOfWgQuick: true })).toBe(
      `${MARK}\n[Unit]\nBindsTo=wg-quick@wg0.service\nAfter=wg-quick@wg0.service\n\n[Install]\nWantedBy=wg-quick@wg0.service\n`,
    );
    expect(instanceText("wg0", { ...options, config: "/etc/a b.json" })).toContain(
      `\nExecStart=\nExecStart=/usr/bin/node "/opt/side wire/mesh.js" up %i --state \${STATE_DIRECTORY} --config "/etc/a b.json"\n`,
    );
  });
});

describe("service install", () => {
  it("writes the units and starts the service", async () => {
    const { surroundings, context, asked, at, read } = machineWith();
    expect(await install(context, "wg0", {}, surroundings)).toBe(0);
    expect(read(UNIT).startsWith(MARK)).toBe(true);
    expect(existsSync(at(INSTANCE))).toBe(false);
    expect(asked).toEqual(["systemctl daemon-reload", "systemctl enable --now sidewire-mesh@wg0.service"]);
  });

  it("binds it to wg-quick where wg-quick has a file, but not where up makes the interface", async () => {
    const { surroundings, context, read, folder } = machineWith();
    writeFileSync(join(surroundings.wireguard, "wg0.conf"), "");
    await install(context, "wg0", {}, surroundings);
    expect(read(INSTANCE)).toContain("BindsTo=wg-quick@wg0.service");
    const config = join(folder, "made.conf");
    writeFileSync(config, `[Interface]\nPrivateKey = ${Buffer.alloc(32, 1).toString("base64")}\n`);
    await install(context, "wg0", { config }, surroundings);
    expect(read(INSTANCE)).not.toContain("BindsTo");
    expect(read(INSTANCE)).toContain(`--config ${config}`);
  });

  it("changes nothing with --dry-run, or when the configuration is wrong", async () => {
    const { surroundings, context, asked, at, folder } = machineWith();
    expect(await install(context, "wg0", { dryRun: true }, surroundings)).toBe(0);
    const config = join(folder, "wg0.json");
    writeFileSync(config, '{ "nonsense": 1 }');
    await expect(install(context, "wg0", { config }, surroundings)).rejects.toThrow("nonsense");
    await expect(install(context, "../x", {}, surroundings)).rejects.toMatchObject({
      code: "INVALID_OPTION",
    });
    expect([asked, existsSync(at(UNIT))]).toEqual([[], false]);
  });

  it("leaves a unit that somebody else wrote as it is", async () => {
    const { surroundings, context, asked, at, read } = machineWith();
    mkdirSync(surroundings.units);
    writeFileSync(at(UNIT), "[Unit]\n# mine\n");
    await expect(install(context, "wg0", {}, surroundings)).rejects.toMatchObject({ code: "FILE" });
    await expect(uninstall(context, "wg0", surroundings)).rejects.toMatchObject({ code: "FILE" });
    expect(read(UNIT)).toBe("[Unit]\n# mine\n");
    expect(asked).toEqual([]);
  });

  it("changes nothing if somebody else wrote what is different for one interface", async () => {
    const { surroundings, context, asked, at, read } = machineWith();
    mkdirSync(join(at(INSTANCE), ".."), { recursive: true });
    writeFileSync(at(INSTANCE), "[Service]\n# mine\n");
    await expect(install(context, "wg0", {}, surroundings)).rejects.toMatchObject({ code: "FILE" });
    expect(existsSync(at(UNIT))).toBe(false);
    writeFileSync(at(UNIT), unitText({ command: COMMAND }));
    await expect(uninstall(context, "wg0", surroundings)).rejects.toMatchObject({ code: "FILE" });
    expect([existsSync(at(UNIT)), read(INSTANCE), asked]).toEqual([true, "[Service]\n# mine\n", []]);
  });

  it("writes nothing on a machine without systemd", async () => {
    const { surroundings, context, at } = machineWith();
    const machine = { ...surroundings.machine, find: async () => undefined };
    await expect(install(context, "wg0", {}, { ...surroundings, machine })).rejects.toMatchObject({
      code: "MISSING_PROGRAM",
    });
    expect(existsSync(at(UNIT))).toBe(false);
  });

  it("takes wirelink's file, which up then reads as wirelink does", async () => {
    const { surroundings, context, read, folder } = machineWith();
    const config = join(folder, "wirelink.wg0.json");
    const key = Buffer.alloc(32, 7).toString("base64");
    writeFileSync(config, JSON.stringify({ Router: true, Peers: [{ PublicKey: key, Trust: "Membership" }] }));
    await install(context, "wg0", { config }, surroundings);
    expect(read(INSTANCE)).toContain(`up %i --state \${STATE_DIRECTORY} --config ${config}\n`);
    expect(read(INSTANCE)).not.toContain("BindsTo");
    const asWirelink = await settingsOf("wg0", { wirelink: true }, { WIRELINK_CONFIG_PATH: folder });
    expect(await settingsOf("wg0", { config }, {})).toEqual(asWirelink);
    expect(asWirelink.router).toBe(true);
  });

  it("says why systemd does not", async () => {
    const { surroundings, context } = machineWith("Job failed.\nSee the log.", 1);
    await expect(install(context, "wg0", {}, surroundings)).rejects.toMatchObject({
      code: "COMMAND_FAILED",
      message: "`systemctl daemon-reload` failed: Job failed. See the log.",
    });
    const without = { ...surroundings.machine, find: async () => undefined };
    await expect(serviceStatus(context, "wg0", { ...surroundings, machine: without })).rejects.toMatchObject({
      code: "MISSING_PROGRAM",
    });
  });
});

describe("service uninstall", () => {
  it("removes all that install has written, the last one the unit for all", async () => {
    const { surroundings, context, asked, at } = machineWith();
    writeFileSync(join(surroundings.wireguard, "wg0.conf"), "");
    await install(context, "wg0", {}, surroundings);
    const wants = at("multi-user.target.wants");
    mkdirSync(wants);
    writeFileSync(join(wants, "sidewire-mesh@wg1.service"), "");
    expect(await uninstall(context, "wg0", surroundings)).toBe(0);
    expect([existsSync(at(UNIT)), existsSync(join(at(INSTANCE), ".."))]).toEqual([true, false]);
    expect(asked.slice(2)).toEqual([
      "systemctl disable --now sidewire-mesh@wg0.service",
      "systemctl daemon-reload",
    ]);
    writeFileSync(join(wants, "other.service"), "");
    rmSync(join(wants, "sidewire-mesh@wg1.service"));
    await uninstall(context, "wg1", surroundings);
    expect(existsSync(at(UNIT))).toBe(false);
    await expect(uninstall(context, "wg1", surroundings)).rejects.toThrow("nothing was installed");
  });
});

describe("service status", () => {
  it.each([
    [
      "LoadState=loaded\nUnitFileState=enabled\nActiveState=active\nSubState=running\nStatusText=1 of 1 peer reached",
      0,
    ],
    ["LoadState=loaded\nUnitFileState=disabled\nActiveState=failed\nSubState=failed\nStatusText=", 1],
    ["LoadState=not-found\nUnitFileState=\nActiveState=inactive\nSubState=dead\nStatusText=", 1],
  ])("says what systemd says: %j", async (said, code) => {
    const { surroundings, context } = machineWith(said);
    expect(await serviceStatus(context, "wg0", surroundings)).toBe(code);
  });
});
