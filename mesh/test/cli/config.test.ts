import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { describe, expect, it } from "vitest";
import { writeAll } from "../../src/cli/import.js";
import { objects, run } from "../support/command.js";
import { KEY_A, KEY_B } from "../support/fake-mesh.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const PRIVATE = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
const PRESHARED = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";

const CONF = `[Interface]
PrivateKey = ${PRIVATE}
Address = 10.9.0.1/24
DNS = 10.9.0.53
[Peer]
PublicKey = ${KEY_A}
PresharedKey = ${PRESHARED}
AllowedIPs = 10.9.0.2/32
`;

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = temporaryFolder();
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  }
  return folder;
}

describe("config check", () => {
  it("says that a file is right, and what of it has no effect", async () => {
    const cwd = folderWith({ "wg0.conf": CONF });
    const text = await run(["config", "check", "wg0.conf"], { cwd });
    expect(text).toMatchObject({ code: 0, err: "" });
    expect(text.out).toMatch(/^wg0\.conf is right: wg0, made, 1 peer\n {2}line 4: DNS: [^\n]+\n$/);
    chmodSync(join(cwd, "wg0.conf"), 0o644);
    const [json] = objects((await run(["config", "check", "wg0.conf", "--json"], { cwd })).out);
    expect(json).toMatchObject({ interface: "wg0", creates: true, peers: 1 });
    expect(JSON.stringify(json)).toContain("chmod 600 wg0.conf");
  });

  it.each([
    ["wg0.json", '{"relay": true, "lazy": true}', "INVALID_OPTION", "lazy: a relay has to be there"],
    ["wg0.json", '{"indexOverlay": "10.88.0.0/24"}', "INVALID_OPTION", "indexOverlay: it needs peersUrl"],
    ["wgautomesh.toml", 'interface = "../evil"\ngossip_port = 1', "FILE", "interface: a name of 1 to 15"],
    ["wg0.conf", CONF.replace("Address", "Adress"), "FILE", "wg0.conf: line 3: Adress is not known"],
    ["wgautomesh.toml", 'interface = "wg0"', "FILE", "wgautomesh.toml: gossip_port: "],
    ["wirelink.wg0.json", '{"Peer": []}', "FILE", 'wirelink.wg0.json: Unrecognized key: "peer"'],
    ["wg0.json", '{"peer": []}', "FILE", 'wg0.json: Unrecognized key: "peer"'],
    [
      "wg0.conf",
      `${CONF}[Peer]\nPublicKey = ${KEY_B}\nAllowedIPs = 10.9.0.2/32\n`,
      "CONFLICT",
      "10.9.0.2/32 is an allowed IP of the peers",
    ],
  ])("refuses %s with the place of what is wrong", async (name, text, code, reason) => {
    const cwd = folderWith({ [name]: text });
    const { code: exitCode, out, err } = await run(["config", "check", name, "--json"], { cwd });
    expect([exitCode, out]).toEqual([2, ""]);
    expect(objects(err)).toMatchObject([{ code, error: expect.stringContaining(reason) }]);
  });
});

describe("config show", () => {
  it("shows what a file comes to, without its secrets", async () => {
    const cwd = folderWith({ "wg0.conf": CONF });
    const { code, out, err } = await run(["config", "show", "wg0.conf"], { cwd });
    expect(code).toBe(0);
    expect(JSON.parse(out)).toEqual({
      interface: "wg0",
      create: true,
      privateKeyFile: "wg0.key",
      addresses: ["10.9.0.1/24"],
      peers: [{ publicKey: KEY_A, allowedIps: ["10.9.0.2/32"], presharedKeyFile: "wg0.peer1.psk" }],
    });
    expect(err).toContain("line 4: DNS");
    expect(out + err).not.toContain(PRIVATE);
  });
});

describe("config show of a list of peers", () => {
  it("has its place and its range, without the password", async () => {
    const peersUrl = "https://me:secret@gist.example/raw?token=secret";
    const cwd = folderWith({
      "wg0.json": JSON.stringify({ peersUrl, publish: 8080, indexOverlay: "10.88.0.9/24" }),
      "wg1.json": JSON.stringify({ peersUrl: "peers.json" }),
    });
    const { code, out, err } = await run(["config", "show", "wg0.json"], { cwd });
    expect([code, JSON.parse(out)]).toMatchObject([
      0,
      { peersUrl: "https://gist.example/raw?…", publish: 8080, indexOverlay: "10.88.0.0/24" },
    ]);
    expect(out + err).not.toContain("secret");
    const file = await run(["config", "show", "wg1.json"], { cwd });
    expect(JSON.parse(file.out)).toMatchObject({ peersUrl: join(cwd, "peers.json") });
  });
});

describe("import", () => {
  it("writes a configuration that can be used, and its keys, for its owner alone", async () => {
    const cwd = folderWith({ "wg0.conf": CONF });
    const { code, out } = await run(["import", "wg0.conf", "--output", "new"], { cwd });
    expect(code).toBe(0);
    expect(out.trim().split("\n")).toEqual(["new/wg0.peer1.psk", "new/wg0.key", "new/wg0.json"]);
    for (const name of out.trim().split("\n")) expect(statSync(join(cwd, name)).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(cwd, "new/wg0.key"), "utf8")).toBe(`${PRIVATE}\n`);
    const checked = await run(["config", "check", "new/wg0.json"], { cwd });
    expect(checked.out).toBe("new/wg0.json is right: wg0, made, 1 peer\n");
    // What is there is never written over.
    const again = await run(["import", "wg0.conf", "--output", "new"], { cwd });
    expect(again).toMatchObject({ code: 2, out: "" });
    expect(again.err).toContain("it is there already");
    expect(readFileSync(join(cwd, "new/wg0.key"), "utf8")).toBe(`${PRIVATE}\n`);
  });

  it.each(["new/wg0.json", "new/wg0.peer1.psk", "new/wg0.key"])(
    "writes no key where %s is there already, so that the next try works",
    async (there) => {
      const cwd = folderWith({ "wg0.conf": CONF });
      mkdirSync(join(cwd, "new"));
      writeFileSync(join(cwd, there), "mine");
      const { code, err } = await run(["import", "wg0.conf", "--output", "new"], { cwd });
      expect([code, readdirSync(join(cwd, "new"))]).toEqual([2, [basename(there)]]);
      expect(err).toContain(`cannot write ${there}: it is there already`);
      rmSync(join(cwd, there));
      expect(await run(["import", "wg0.conf", "--output", "new"], { cwd })).toMatchObject({ code: 0 });
    },
  );

  it("takes back what is written when a later file cannot be written", async () => {
    const folder = temporaryFolder();
    await expect(
      writeAll([
        { path: join(folder, "wg0.key"), text: PRIVATE },
        { path: join(folder, "missing", "wg0.json"), text: "{}" },
      ]),
    ).rejects.toThrow("cannot write");
    expect(readdirSync(folder)).toEqual([]);
  });

  it("writes nothing outside the folder, whatever the interface is called", async () => {
    for (const name of ["../evil", "..", "a/b", "/tmp/evil"]) {
      const cwd = folderWith({ "wirelink.wg0.json": JSON.stringify({ iface: name }) });
      const { code, out } = await run(["import", "wirelink.wg0.json", "--output", "new"], { cwd });
      expect([code, out, readdirSync(cwd)]).toEqual([2, "", ["wirelink.wg0.json"]]);
    }
  });

  it("prints it where no folder is named, without keys", async () => {
    const cwd = folderWith({ "wg0.conf": CONF });
    const { code, out, err } = await run(["import", "wg0.conf"], { cwd });
    expect([code, JSON.parse(out).privateKeyFile]).toEqual([0, "wg0.key"]);
    expect(err).toContain("wg0.key is not written");
    expect(out + err).not.toContain(PRIVATE);
  });
});

describe("up with the files of others", () => {
  const toml = `interface = "wg0"\ngossip_port = 1\n[[peers]]\npubkey = "${KEY_A}"\naddress = "10.9.0.2"\n`;

  it.each([
    [["--config", "wirelink.wg0.json", "--wirelink"], "--wirelink looks for its file by itself"],
    [
      ["wg0", "--create", "--private-key", "key", "--config", "wg0.conf"],
      "wg0.conf says already what is to be made",
    ],
  ])("takes one at a time: %j", async (args, problem) => {
    const cwd = folderWith({ "wirelink.wg0.json": "{}", "wg0.conf": CONF, key: PRIVATE, "a.toml": toml });
    const { code, err } = await run(["up", ...args, "--json"], { cwd });
    expect([code, objects(err)]).toMatchObject([2, [{ error: expect.stringContaining(problem) }]]);
  });

  it("finds wirelink's file where wirelink would", async () => {
    const cwd = folderWith({ "wirelink.wg7.yaml": "Nonsense: 1\n" });
    const env = { WIRELINK_CONFIG_PATH: cwd, WIRELINK_IFACE: "wg7" };
    const { code, err } = await run(["up", "--wirelink", "--json"], { env });
    expect(code).toBe(2);
    expect(err).toContain("wirelink.wg7.yaml: ");
    expect(err).toContain("nonsense");
  });
});
