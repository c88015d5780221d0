import { execFileSync } from "node:child_process";
import { closeSync, constants, existsSync, openSync } from "node:fs";
import { describe, expect, it } from "vitest";
import packageJson from "../../package.json" with { type: "json" };
import { Home, objects } from "../support/command.js";

const COMMANDS: readonly string[] = [
  ...["keygen", "id", "contact", "listen", "send", "chat"],
  ...["probe", "rank", "brokers", "broker", "doctor"],
];

const ADDRESS = `02${"79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"}`;

/** Somebody's address, but for one character. */
const MISTYPED = "sw1qt7zk5ux5tmpnxtgzpdwnn5zg74wgc2c4806w3fk0cwc05cp8c8wwzdy07x";

/** It has the form of an address. */
const NO_POINT = `02${"f".repeat(64)}`;

describe("sidewire", () => {
  it("names every command in its help", async () => {
    const { code, out } = await new Home().run(["--help"]);
    expect(code).toBe(0);
    for (const name of COMMANDS) expect(out).toMatch(new RegExp(`^  ${name} `, "m"));
    for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
  });

  it.each(COMMANDS)("%s --help has an example", async (name) => {
    const { code, out, err } = await new Home().run([name, "--help"]);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(new RegExp(`Examples?:\n  sidewire ${name}`));
    for (const option of ["--key", "--brokers", "--timeout", "--json"]) expect(out).toContain(option);
  });

  it.each(["--version", "-v"])("tells its version: %s", async (option) => {
    expect((await new Home().run([option])).out).toBe(`${packageJson.version}\n`);
  });

  it("lists its commands when it is called alone, and says that one is missing", async () => {
    for (const [args, names] of [
      [[], COMMANDS],
      [["contact"], ["add", "list", "remove", "rename"]],
    ] as const) {
      const { code, out, err } = await new Home().run(args);
      expect([code, out]).toEqual([2, ""]);
      for (const name of names) expect(err).toMatch(new RegExp(`^  ${name} `, "m"));
      expect(err).toMatch(/\nsidewire: a command is missing \(see --help\)\n$/);
      const json = await new Home().run([...args, "--json"]);
      expect(objects(json.err)).toEqual([{ error: "a command is missing", code: "USAGE" }]);
    }
  });

  it("takes the pool that SIDEWIRE_BROKERS names, unless --brokers does", async () => {
    const home = new Home();
    const env = { SIDEWIRE_BROKERS: home.path("none.json") };
    expect((await home.run(["rank", ADDRESS], { env })).err).toContain("cannot read");
    home.write("pool.json", "no pool");
    const { code, err } = await home.run(["rank", ADDRESS, "--brokers", "pool.json"], { env });
    expect([code, err]).toEqual([2, expect.stringContaining("pool.json: pool: expected JSON")]);
  });

  it.each([
    [["sned"], "unknown command 'sned' (Did you mean send?)"],
    [["send"], "missing required argument 'dest'"],
    [["id", "more"], "too many arguments"],
    [["send", "ben", "hello", "my", "friend"], 'needs quotes: sidewire send ben "hello my friend"'],
    [["send", "ben", "$(rm)", "`x`"], 'needs quotes: sidewire send DEST "…"'],
    [["send", ADDRESS, "text", "--plain", "--encrypt"], "'--encrypt' cannot be used with option '--plain'"],
    [["id", "--jsno"], "unknown option '--jsno'"],
    [["send", ADDRESS, "text", "--timeout", "soon"], "Expected a whole number from 1 to 600000"],
    [["send", ADDRESS, "text", "--timeout", "0"], "Expected a whole number from 1 to 600000"],
    [["send", ADDRESS, "text", "--file", "x"], "either a text or --file"],
    [["listen", "--", "argument"], "arguments without --exec"],
    [["broker", "--port", "65536"], "Expected a whole number from 0 to 65535"],
    [["help", "nonsense"], "unknown command 'nonsense'"],
    [["id", "--key", ""], "option '--key <file>' argument '' is invalid. It is empty."],
    [["listen", "--exec", ""], "option '--exec <program>'"],
    [["broker", "--host", ""], "option '--host <address>'"],
    [["doctor", "--ntp", ""], "option '--ntp <server>'"],
    [["doctor", "--ntp", "a b"], '--ntp: expected "host", "host:port"'],
  ])("%j: one line on stderr, and 2", async (args, problem) => {
    const home = new Home();
    home.makeKey();
    const { code, out, err } = await home.run(args);
    expect([code, out]).toEqual([2, ""]);
    expect(err).toMatch(/^sidewire: [^\n]+\n$/);
    expect(err).toContain(problem);
    // The same as an object, wherever the option stands.
    const place = args.length % 2;
    const json = await home.run([...args.slice(0, place), "--json", ...args.slice(place)]);
    expect([json.code, json.out]).toEqual([2, ""]);
    expect(objects(json.err)).toMatchObject([{ code: "USAGE" }]);
  });

  it.each([
    ["send", ["send", "03ab", "text"], "INVALID_ADDRESS", 'DEST: no contact is called "03ab"'],
    ["probe", ["probe", `05${"11".repeat(32)}`], "INVALID_ADDRESS", "DEST: expected an address"],
    ["rank", ["rank", ""], "INVALID_ADDRESS", "DEST: expected an address"],
    ["send", ["send", MISTYPED, "text"], "INVALID_ADDRESS", 'DEST: a typo near character 11 ("5ux5t")'],
    [
      "probe",
      ["probe", MISTYPED.toUpperCase()],
      "INVALID_ADDRESS",
      'DEST: a typo near character 11 ("5UX5T")',
    ],
    ["send", ["send", NO_POINT, "text"], "INVALID_ADDRESS", "DEST: expected a point on the curve"],
    ["a pool", ["listen", "--brokers", "none.json"], "FILE", "cannot read none.json: no such file"],
    [
      "a pool",
      ["listen", "--brokers", "bad.json"],
      "INVALID_POOL",
      'bad.json: IPv4["a.example"].port: expected a port',
    ],
    ["a pool", ["brokers", "--brokers", "text.json"], "INVALID_POOL", "text.json: pool: expected JSON"],
    ["a pool", ["brokers", "--brokers", "object.json"], "INVALID_POOL", "object.json: no broker pool"],
    ["a pool", ["send", ADDRESS, "x", "--brokers", "list.json"], "INVALID_POOL", "list.json: pool: expected"],
    [
      "a pool",
      ["rank", ADDRESS, "--brokers", "empty.json"],
      "INVALID_POOL",
      "empty.json: pool: expected JSON",
    ],
    ["a message", ["send", ADDRESS, "--file", "none"], "FILE", "cannot read none: no such file"],
    ["a message", ["send", ADDRESS, "--file", "."], "FILE", "cannot read .: it is a folder"],
    ["a message", ["send", ADDRESS, "--file", "long"], "MESSAGE_TOO_LARGE", "long is longer than"],
    ["addresses", ["listen", "--accept", "none"], "FILE", "cannot read none"],
    ["addresses", ["listen", "--accept", "friends"], "INVALID_ADDRESS", "friends:3: expected an address"],
    [
      "addresses",
      ["listen", "--accept", "nobody"],
      "INVALID_ADDRESS",
      "nobody:1: expected a point on the curve",
    ],
    ["a program", ["listen", "--exec", "./none"], "FILE", "cannot run ./none"],
    ["a program", ["listen", "--exec", "no-such-program-here"], "FILE", "cannot run no-such-program-here"],
    ["a program", ["listen", "--exec", "./"], "FILE", "cannot run ./: not a program"],
    ["a program", ["listen", "--exec", "."], "FILE", "cannot run .: not a program"],
  ])("wrong %s: %j ends with 2", async (_, args, code, problem) => {
    const home = new Home();
    home.makeKey();
    home.write("bad.json", { IPv4: { "a.example": { port: 0 } } });
    home.write("text.json", "password");
    home.write("object.json", { name: "sidewire", version: "1.0.0" });
    home.write("list.json", "[]");
    home.write("empty.json", "");
    home.write("long", Buffer.alloc(70_000));
    home.write("friends", `# known\n${ADDRESS} # Ann\n${ADDRESS.slice(1)}\n`);
    home.write("nobody", NO_POINT);
    const ended = await home.run([...args, "--json"]);
    expect([ended.code, ended.out]).toEqual([2, ""]);
    const [error, ...more] = objects(ended.err);
    expect(more).toEqual([]);
    expect(error?.code).toBe(code);
    expect(error?.error).toContain(problem);
  });

  it.each(["listen", "send", "chat", "probe"])("%s says that a key is missing", async (name) => {
    const args = name === "listen" ? [] : [ADDRESS];
    const { code, err } = await new Home().run([name, ...args, "--json"]);
    expect(code).toBe(2);
    expect(objects(err)).toMatchObject([{ code: "NO_KEY" }]);
  });

  it.skipIf(!existsSync("/dev/full")).each([
    ["id", "sidewire: cannot write to stdout: no space left on device\n"],
    ["--help", "sidewire: cannot write to stdout: no space left on device\n"],
    ["id --json", '{"error":"cannot write to stdout: no space left on device","code":"FILE"}\n'],
  ])("%s says in one sentence that stdout takes no more", async (args, expected) => {
    const home = new Home();
    home.makeKey();
    home.link("sidewire");
    const { code, err } = await home.shell(`exec ./sidewire ${args} > /dev/full`).ended;
    expect([code, err]).toEqual([1, expected]);
  });

  it.skipIf(process.platform === "win32").each([
    ["--key", ["id", "--key", "fifo"]],
    ["--brokers", ["brokers", "--brokers", "fifo"]],
    ["--accept", ["listen", "--accept", "fifo"]],
    ["--file", ["send", ADDRESS, "--file", "fifo"]],
  ])("ends on SIGINT also while it waits for a pipe: %s", async (_, args) => {
    const home = new Home();
    home.makeKey();
    const fifo = home.path("fifo");
    execFileSync("mkfifo", ["-m", "600", fifo]);
    const waiting = home.start(args);
    // It can be written to without waiting once there is a reader, who then waits for what is written.
    let writer = -1;
    const open = (): void => {
      writer = openSync(fifo, constants.O_WRONLY | constants.O_NONBLOCK);
    };
    await expect.poll(open, { timeout: 40_000 }).toBeUndefined();
    const ended = await waiting.stop();
    closeSync(writer);
    expect(ended).toEqual({ code: null, signal: "SIGINT", out: "", err: "" });
  });

  it("takes a message that is too long on stdin for wrong use, without reading it to its end", async () => {
    const home = new Home();
    home.makeKey();
    const sending = home.start(["send", ADDRESS, "--json"], { open: true });
    sending.type("x".repeat(65_537));
    const { code, err } = await sending.ended;
    expect(code).toBe(2);
    expect(objects(err)).toMatchObject([{ code: "MESSAGE_TOO_LARGE" }]);
  });
});
