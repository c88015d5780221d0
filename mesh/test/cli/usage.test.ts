import { execFileSync } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { run as runHere } from "../../src/cli/program.js";
import { publicKeyOf } from "../../src/wireguard-key.js";
import { objects, Running, run } from "../support/command.js";
import { KEY_A, OWN_KEY } from "../support/fake-mesh.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const COMMANDS: readonly string[] = [
  "up",
  "plan",
  "status",
  "metrics",
  "ping",
  "down",
  "netcheck",
  "doctor",
  "import",
  "export",
  "config",
  "service",
  "dump",
  "multiaddr",
  "web",
  "keygen",
  "pubkey",
  "completion",
  "man",
];

describe("sidewire-mesh", () => {
  it("names every command in its help", async () => {
    const { code, out } = await run(["--help"]);
    expect(code).toBe(0);
    for (const name of COMMANDS) expect(out).toMatch(new RegExp(`^  ${name} `, "m"));
  });

  it.each(["", ...COMMANDS])("%s --help has an example, and fits 80 columns", async (name) => {
    const { code, out, err } = await run(name === "" ? ["--help"] : [name, "--help"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(new RegExp(`Examples?:\n.*sidewire-mesh ${name}`));
    expect(out).toContain("--json");
    for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  it("tells its version", async () => {
    expect((await run(["--version"])).out).toBe(`${packageJson.version}\n`);
  });

  it.each([
    [[], "a command is missing"],
    [["pu"], "unknown command 'pu' (Did you mean up?)"],
    [["up"], "the interface is missing"],
    [["ping"], "missing required argument 'peer'"],
    [["ping", ""], "It is empty"],
    [["down"], "missing required argument 'interface'"],
    [["status", "wg0", "more"], "too many arguments"],
    [["status", "--wtach"], "unknown option '--wtach'"],
    [["ping", KEY_A, "-c", "0"], "Expected a whole number from 1"],
    [["up", "wg0", "--listen-port", "65536"], "Expected a whole number from 1 to 65535"],
    [["up", "wg0", "--brokers", ""], "It is empty"],
    [["up", "wg0", "--peer", KEY_A], "--peer needs --create"],
    [["up", "wg0", "--private-key", "x"], "--private-key needs --create"],
    [["up", "wg0", "--create"], "--create needs --private-key FILE"],
    [["up", "wg0", "--index-overlay", "10.88.0.0/24"], "--index-overlay needs --peers-url"],
    [["up", "wg0", "--publish", "0"], "Expected a whole number from 1 to 65535"],
    [["export", "wg0"], "required option '--address <address>' not specified"],
    [["service"], "a command is missing"],
    [["service", "start", "wg0"], "unknown command 'start'"],
    [["doctor", "--ntp", "a b"], "--ntp: expected"],
    [["help", "nonsense"], "unknown command 'nonsense'"],
  ])("%j: one line on stderr, and 2", async (args, problem) => {
    const { code, out, err } = await run(args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/^sidewire-mesh: [^\n]+\n$/);
    expect(err).toContain(problem);
    // The same as an object, wherever the option stands.
    const place = args.length % 2;
    const json = await run([...args.slice(0, place), "--json", ...args.slice(place)]);
    expect([json.code, json.out]).toEqual([2, ""]);
    expect(objects(json.err)).toMatchObject([{ code: "USAGE" }]);
  });

  const own = publicKeyOf(Buffer.alloc(32, 1));

  it.each([
    ["an interface", ["up", "no/name"], "INVALID_OPTION", "a name of 1 to 15"],
    ["an interface", ["status", "no/name"], "INVALID_OPTION", "a name of 1 to 15"],
    [
      "a STUN server",
      ["up", "wg0", "--stun", "stun.example"],
      "INVALID_OPTION",
      '--stun "stun.example": a host and',
    ],
    ["a STUN server", ["up", "wg0", "--stun", "a:1,b:0"], "INVALID_OPTION", '--stun "b:0"'],
    ["a STUN server", ["netcheck", "--stun", "x"], "INVALID_OPTION", '--stun "x"'],
    ["a list", ["up", "wg0", "--peers-url", "ftp://a:secret@b"], "INVALID_OPTION", "--peers-url: a URL is"],
    [
      "an overlay",
      ["up", "wg0", "--peers-url", "x", "--index-overlay", "10.88.0.0/29"],
      "INVALID_OPTION",
      '--index-overlay "10.88.0.0/29"',
    ],
    ["a pool", ["netcheck", "--brokers", "none"], "FILE", "cannot read none: no such file"],
    ["a pool", ["up", "wg0", "--brokers", "none"], "FILE", "cannot read none: no such file"],
    ["a pool", ["up", "wg0", "--brokers", "text"], "FILE", "text: pool: expected JSON"],
    ["a file", ["up", "--config", "none"], "FILE", "cannot read none: no such file"],
    ["a file", ["up", "--config", "."], "FILE", "cannot read .: it is a folder"],
    ["a file", ["up", "--config", "text"], "FILE", "text: it is not JSON"],
    ["a file", ["up", "--config", "wrong"], "FILE", "wrong: peers.0.publicKey: 44 characters of base64"],
    ["a key file", ["up", "w", "--create", "--private-key", "none"], "FILE", "cannot read none"],
    ["a key file", ["up", "w", "--create", "--private-key", "text"], "INVALID_KEY", "text: 44 characters"],
    ["a peer", ["up", "w", "--create", "--private-key", "key", "--peer", "x"], "INVALID_KEY", "--peer: 44"],
    [
      "a peer",
      ["up", "w", "--create", "--private-key", "key", "--peer", `${KEY_A}@host`],
      "INVALID_OPTION",
      '--peer: endpoint "host"',
    ],
    [
      "a peer",
      ["up", "w", "--create", "--private-key", "key", "--peer", `${KEY_A},10.0.0.0/33`],
      "INVALID_OPTION",
      '--peer: allowed IP "10.0.0.0/33"',
    ],
    [
      "an address",
      ["up", "w", "--create", "--private-key", "key", "--address", "10.0.0.1/x"],
      "INVALID_OPTION",
      '--address "10.0.0.1/x"',
    ],
    ["a key", ["pubkey"], "INVALID_KEY", "the private key on stdin: 44 characters of base64"],
  ])("wrong %s: %j ends with 2", async (_, args, code, problem) => {
    const cwd = temporaryFolder();
    writeFileSync(join(cwd, "text"), "password");
    writeFileSync(join(cwd, "wrong"), JSON.stringify({ interface: "wg0", peers: [{ publicKey: "x" }] }));
    writeFileSync(join(cwd, "key"), Buffer.alloc(32, 1).toString("base64"));
    expect(own).toHaveLength(32);
    const ended = await run([...args, "--json"], { cwd, input: "nonsense" });
    expect([ended.code, ended.out]).toEqual([2, ""]);
    const [error, ...more] = objects(ended.err);
    expect(more).toEqual([]);
    expect(error).toMatchObject({ code, error: expect.stringContaining(problem) });
    // Nothing of a key that has a typo in it.
    expect(JSON.stringify(error)).not.toContain("password");
  });

  it.each([["status"], ["ping", OWN_KEY], ["down", "wg0"]])(
    "%s says that there is no daemon",
    async (...args) => {
      const env = { RUNTIME_DIRECTORY: join(temporaryFolder(), "none") };
      const { code, out, err } = await run([...args, "--json"], { env });
      expect([code, out]).toEqual([1, ""]);
      expect(objects(err)).toMatchObject([
        { code: "NO_DAEMON", error: expect.stringContaining("sidewire-mesh up wg0") },
      ]);
    },
  );

  it.skipIf(!existsSync("/dev/full")).each([["keygen"], ["--help"]])(
    "%s says in one sentence that stdout takes no more",
    async (name) => {
      const { execPath } = process;
      const bin = join(import.meta.dirname, "../../bin/sidewire-mesh.js");
      let said = { status: 0, stderr: "" };
      try {
        execFileSync("sh", ["-c", `exec "$0" "$1" ${name} > /dev/full`, execPath, bin], { stdio: "pipe" });
      } catch (error) {
        said = { ...said, ...(error as object), stderr: String((error as { stderr: Buffer }).stderr) };
      }
      expect(said.status).toBe(1);
      expect(said.stderr).toBe("sidewire-mesh: cannot write to stdout: no space left on device\n");
    },
  );

  it("ends on SIGINT while it waits for a key", async () => {
    const { execPath } = process;
    const bin = join(import.meta.dirname, "../../bin/sidewire-mesh.js");
    const folder = temporaryFolder();
    execFileSync("mkfifo", [join(folder, "fifo")]);
    // The shell opens the FIFO for both, so that it waits for what is written and not for a writer.
    const waiting = new Running("sh", [
      "-c",
      'echo ready; exec "$0" "$1" pubkey <> "$2"',
      execPath,
      bin,
      join(folder, "fifo"),
    ]);
    await waiting.until(({ out }) => out.includes("ready"));
    let ended = false;
    void waiting.ended.then(() => {
      ended = true;
    });
    // Before it listens for it, the signal kills it; after, it ends by itself: by the signal in either case.
    const interrupted = (): boolean => {
      waiting.child.kill("SIGINT");
      return ended;
    };
    await expect.poll(interrupted, { timeout: 20_000 }).toBe(true);
    const { code, signal } = await waiting.ended;
    expect(code === 130 || signal === "SIGINT").toBe(true);
  });

  it("says on another system that it is not for it", async () => {
    const said: string[] = [];
    const { write } = process.stderr;
    process.stderr.write = (text: string | Uint8Array) => said.push(String(text)) > 0;
    try {
      expect(await runHere(["up", "wg0"], { platform: "darwin" })).toBe(2);
      expect(await runHere(["keygen", "--json"], { platform: "win32" })).toBe(2);
    } finally {
      process.stderr.write = write;
    }
    expect(said).toEqual([
      "sidewire-mesh: sidewire-mesh runs on Linux alone, and this is darwin\n",
      '{"error":"sidewire-mesh runs on Linux alone, and this is win32","code":"UNSUPPORTED"}\n',
    ]);
  });
});

describe("keygen and pubkey", () => {
  it("make keys as wg does: clamped, and each another one", async () => {
    const [one, other] = await Promise.all([run(["keygen"]), run(["keygen"])]);
    expect(one.out).not.toBe(other.out);
    for (const { code, out } of [one, other]) {
      expect(code).toBe(0);
      const key = Buffer.from(out, "base64");
      expect(out).toBe(`${key.toString("base64")}\n`);
      expect(key).toHaveLength(32);
      expect([(key[0] ?? 0) & 7, (key[31] ?? 0) & 0xc0]).toEqual([0, 0x40]);
    }
    const { code, out } = await run(["pubkey"], { input: one.out });
    expect([code, out]).toEqual([
      0,
      `${Buffer.from(publicKeyOf(Buffer.from(one.out, "base64"))).toString("base64")}\n`,
    ]);
    expect(objects((await run(["keygen", "--json"])).out)).toMatchObject([
      { privateKey: expect.stringMatching(/=$/) },
    ]);
  });

  it("warns where others can read the key", async () => {
    const folder = temporaryFolder();
    const bin = join(import.meta.dirname, "../../bin/sidewire-mesh.js");
    const keep = (umask: string): string =>
      execFileSync(
        "sh",
        [
          "-c",
          `umask ${umask}; exec "$0" "$1" keygen 2>&1 > "$2"`,
          process.execPath,
          bin,
          join(folder, umask),
        ],
        { encoding: "utf8" },
      );
    expect(keep("022")).toBe("! others can read this file: chmod 600 it, or set umask 077 before\n");
    expect(keep("077")).toBe("");
  });
});
