import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { describe, expect, it } from "vitest";
import { formatAddress, Keypair, parseAddress } from "../../src/index.js";
import { Home, objects } from "../support/command.js";

const ADDRESS = /^sw1q[02-9ac-hj-np-z]{58}$/;

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8);
}

describe("keygen", () => {
  it("makes a key that its owner alone can read, and shows its address and not the key", async () => {
    const home = new Home();
    const { code, out, err } = await home.run(["keygen"]);
    expect(code).toBe(0);
    expect(out.trim()).toMatch(ADDRESS);
    const secret = readFileSync(home.keyFile, "utf8").trim();
    expect(Keypair.fromSecretKey(secret).publicKeyHex).toBe(parseAddress(out.trim()));
    expect(err).toContain(home.keyFile);
    expect(out + err).not.toContain(secret);
    expect(modeOf(home.keyFile)).toBe("600");
    expect(modeOf(dirname(home.keyFile))).toBe("700");
    expect(readdirSync(dirname(home.keyFile))).toEqual(["key"]);
  });

  it("never overwrites one", async () => {
    const home = new Home();
    home.makeKey();
    const before = readFileSync(home.keyFile, "utf8");
    const { code, out, err } = await home.run(["keygen"]);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/^sidewire: .*\/key exists already.*\n$/);
    expect(readFileSync(home.keyFile, "utf8")).toBe(before);
  });

  it("makes one key when several are asked for at once", async () => {
    const home = new Home();
    const runs = await Promise.all([1, 2, 3, 4].map(() => home.run(["keygen", "--json"])));
    const made = runs.filter(({ code }) => code === 0);
    expect(made).toHaveLength(1);
    for (const { code, err } of runs.filter((run) => !made.includes(run))) {
      expect(code).toBe(2);
      expect(objects(err)).toMatchObject([{ code: "KEY_EXISTS" }]);
    }
    const [{ address } = {}] = objects(made[0]?.out ?? "");
    expect(Keypair.fromSecretKey(readFileSync(home.keyFile, "utf8").trim()).publicKeyHex).toBe(address);
    expect(readdirSync(dirname(home.keyFile))).toEqual(["key"]);
  });

  it("says where a key cannot be written", async () => {
    const home = new Home();
    home.write("file", "");
    const { code, err } = await home.run(["keygen", "--key", home.path("file/key")]);
    expect(code).toBe(1);
    expect(err).toMatch(/^sidewire: cannot write .*file\/key: .*\n$/);
  });

  it("makes the folders for it, and ends where none can be made", async () => {
    const home = new Home();
    expect((await home.run(["keygen", "--key", "a/b/key"])).code).toBe(0);
    expect(modeOf(home.path("a/b"))).toBe("700");
    // Where there is one, every attempt there fails as if the folder above were missing.
    const { code, err } = await home.run(["keygen", "--key", "/proc/x/key"]);
    expect(code).toBe(1);
    expect(err).toMatch(/^sidewire: cannot write \/proc\/x\/key: .*\n$/);
  });
});

describe("id", () => {
  it("shows the address of the key that --key names, else SIDEWIRE_KEY, else the default", async () => {
    const home = new Home();
    const addresses = await Promise.all(
      [[], ["--key", "a"], ["--key", "b"]].map(async (args) => (await home.run(["keygen", ...args])).out),
    );
    const env = { SIDEWIRE_KEY: home.path("a") };
    const shown = [
      await home.run(["id"]),
      await home.run(["id"], { env }),
      await home.run(["--key", "b", "id"], { env }),
      await home.run(["id"], { env: { SIDEWIRE_KEY: "" } }),
    ];
    expect(shown.map(({ out }) => out)).toEqual([...addresses, addresses[0]]);
  });

  it("tells the secret key to who asks for it, and to nobody else", async () => {
    const home = new Home();
    const address = home.makeKey();
    const secret = readFileSync(home.keyFile, "utf8").trim();
    const sw1 = formatAddress(address);
    expect((await home.run(["id", "--secret"])).out).toBe(`${sw1}\n${secret}\n`);
    expect((await home.run(["id", "--hex"])).out).toBe(`${address}\n`);
    const { out } = await home.run(["id", "--json"]);
    expect(objects(out)).toEqual([{ sw1, address, keyFile: home.keyFile }]);
    expect(objects((await home.run(["id", "--json", "--secret"])).out)).toEqual([
      { sw1, address, keyFile: home.keyFile, secretKey: secret },
    ]);
  });

  it("shows a QR code that fits a terminal, and none in JSON", async () => {
    const home = new Home();
    const address = home.makeKey();
    const [first, ...code] = (await home.run(["id", "--qr"])).out.trimEnd().split("\n");
    expect(first).toBe(formatAddress(address));
    expect(code.length).toBeGreaterThan(15);
    expect(code.length).toBeLessThan(18);
    for (const line of code) expect(line).toMatch(/^[█▀▄ ]{30,33}$/);
    expect(objects((await home.run(["id", "--qr", "--json"])).out)).toHaveLength(1);
  });

  it("refuses a key that others can read", async () => {
    const home = new Home();
    const path = home.write("open", "11".repeat(32), 0o644);
    const { code, out, err } = await home.run(["id", "--key", path, "--json"]);
    expect([code, out]).toEqual([2, ""]);
    expect(objects(err)).toEqual([
      { error: `others can read the key (mode 0644): chmod 600 ${path}`, code: "KEY_EXPOSED" },
    ]);
  });

  it.each([
    ["nothing", "", "INVALID_KEY"],
    ["a text", "not a key at all", "INVALID_KEY"],
    ["zero", "00".repeat(32), "INVALID_KEY"],
    ["too much", "11".repeat(33), "INVALID_KEY"],
    ["a megabyte", "1".repeat(1_000_000), "INVALID_KEY"],
  ])("says that a file holds %s instead of a key, without showing it", async (_, text, expected) => {
    const home = new Home();
    const path = home.write("key", text, 0o600);
    const { code, err } = await home.run(["id", "--key", path, "--json"]);
    expect(code).toBe(2);
    const [error] = objects(err);
    expect(error).toMatchObject({ code: expected });
    expect(error?.error).toBe(`${path} is not a key file: expected 64 hex characters of a secret key`);
  });

  it("says what to do when there is no key, and when the file is a folder", async () => {
    const home = new Home();
    const missing = await home.run(["id"]);
    expect(missing).toMatchObject({ code: 2, out: "" });
    expect(missing.err).toBe(`sidewire: no key at ${home.keyFile}: make one with sidewire keygen\n`);
    expect(existsSync(dirname(home.keyFile))).toBe(false);
    chmodSync(home.folder, 0o755);
    const folder = await home.run(["id", "--key", home.folder]);
    expect(folder.code).toBe(2);
    // Nothing about its mode, which a folder needs.
    expect(folder.err).toBe(`sidewire: cannot read ${home.folder}: it is a folder\n`);
  });

  it.skipIf(process.platform === "win32")("reads it from a pipe, and from no device", async () => {
    const home = new Home();
    const address = home.makeKey();
    home.link("sidewire");
    const pipe = home.shell(
      `exec ./sidewire id --key <(head -c 20 ${home.keyFile}; tail -c +21 ${home.keyFile})`,
    );
    expect(await pipe.ended).toMatchObject({ code: 0, out: `${formatAddress(address)}\n` });
    execFileSync("mkfifo", ["-m", "600", home.path("fifo")]);
    const fifo = home.shell(`cat ${home.keyFile} > fifo & exec ./sidewire id --key fifo`);
    expect(await fifo.ended).toMatchObject({ code: 0, out: `${formatAddress(address)}\n` });
    const device = await home.run(["id", "--key", "/dev/null"]);
    expect(device).toMatchObject({ code: 2, err: "sidewire: cannot read /dev/null: it is not a file\n" });
  });

  it("reads it behind a byte order mark", async () => {
    const home = new Home();
    const address = home.makeKey();
    const path = home.write("marked", `\ufeff${readFileSync(home.keyFile, "utf8")}`, 0o600);
    expect((await home.run(["id", "--key", path])).out).toBe(`${formatAddress(address)}\n`);
  });
});
