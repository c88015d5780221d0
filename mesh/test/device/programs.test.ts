import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Command, formatCommand, Recorder } from "../../src/device/command.js";
import { Programs } from "../../src/device/programs.js";

const IP: Command = { program: "ip", args: ["-j", "addr"] };

/** Runs a script in the place of a program: its words are the script's arguments. */
/** Lines of 1 kB without end, by what every shell has. */
const ENDLESS = `s=0123456789; s=${"$s".repeat(10)}; s=${"$s".repeat(10)}; while :; do echo $s; done; true`;

const script = (text: string): Programs => new Programs({ prefix: ["sh", "-c", text] });

const ourFiles = (): number =>
  readdirSync("/dev/shm").filter((name) => name.startsWith("sidewire-mesh")).length;

describe("a program", () => {
  it("says what it says, and reads a secret that has no name", async () => {
    expect(await script('echo "$0 $@"').run(IP)).toBe("ip -j addr\n");
    const input = { text: "the secret\n", isSecret: true };
    // As `wg` does it: opened once more, by name, and read to its end.
    expect(await script("cat /dev/stdin").run({ ...IP, input })).toBe("the secret\n");
    expect(ourFiles()).toBe(0);
  });

  it.each<[code: string, words: RegExp, text: string]>([
    ["COMMAND_FAILED", /`ip -j addr` failed: Cannot find it$/, "echo Cannot find it >&2; exit 3"],
    ["COMMAND_FAILED", /failed: it ended with 3$/, "exit 3"],
    ["COMMAND_FAILED", /failed: it was ended by SIGTERM$/, "kill $$"],
    ["COMMAND_FAILED", /failed: two \[31m lines$/, "printf 'two \\033[31m\\n\\r lines' >&2; exit 1"],
    ["COMMAND_FAILED", /says more than 4194304 bytes$/, `${ENDLESS}`],
    ["COMMAND_FAILED", /complains without end$/, `exec >&2; ${ENDLESS}`],
    [
      "NOT_PERMITTED",
      /Operation not permitted.*needs root/,
      "echo RTNETLINK answers: Operation not permitted >&2; exit 2",
    ],
    ["NOT_PERMITTED", /must be root.*needs root/, "echo 'you must be root' >&2; exit 1"],
  ])("that fails is an error: %s %s", async (code, message, text) => {
    await expect(script(text).run(IP)).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it("that is not installed is named with what brings it", async () => {
    const { PATH } = process.env;
    process.env.PATH = "/nowhere";
    try {
      await expect(new Programs().run({ program: "wireguard-go", args: ["wg0"] })).rejects.toMatchObject({
        code: "MISSING_PROGRAM",
        message: "`wireguard-go` is not installed: it comes with the package wireguard-go",
      });
    } finally {
      process.env.PATH = PATH;
    }
  });

  it("ends when it is not wanted any more", async () => {
    const reason = new Error("enough");
    const ending = new AbortController();
    const running = script("sleep 1; true").run(IP, ending.signal);
    ending.abort(reason);
    await expect(running).rejects.toMatchObject({ code: "ABORTED", cause: reason });
    await expect(script("exit 0").run(IP, ending.signal)).rejects.toMatchObject({ code: "ABORTED" });
  });
});

describe("a command that is shown", () => {
  it("can be given to a shell, but for its secrets", async () => {
    const recorder = new Recorder();
    await recorder.run({
      program: "wg",
      args: ["set", "wg0", "peer", "it's", "private-key", "/dev/stdin"],
      input: { text: "SECRET", isSecret: true },
    });
    await recorder.run({
      program: "nft",
      args: ["-f", "-"],
      input: { text: "table inet x {\n}\n", isSecret: false },
    });
    expect(recorder.commands.map(formatCommand)).toEqual([
      `wg set wg0 peer 'it'\\''s' private-key /dev/stdin <<< "(a secret key)"`,
      "nft -f - <<'END'\ntable inet x {\n}\nEND",
    ]);
  });
});
