import { spawnSync } from "node:child_process";
import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Output } from "../../src/cli/output.js";
import { temporaryFolder } from "../support/temporary-folder.js";

/** Writes with an output whose streams are two files, of which JOURNAL_STREAM names some. */
async function written(
  journal: "out" | "err" | "both" | "neither",
  work: (output: Output) => Promise<void> | void,
  json = false,
): Promise<{ out: string; err: string }> {
  const folder = temporaryFolder();
  const fds = [openSync(join(folder, "out"), "w"), openSync(join(folder, "err"), "w")] as const;
  const of = (fd: number): string => {
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return `${dev}:${ino}`;
  };
  const at = journal === "out" ? fds[0] : fds[1];
  const said = { out: "", err: "" };
  const stream = (name: "out" | "err", fd: number): NodeJS.WriteStream =>
    ({
      // systemd gives one stream to both.
      fd: journal === "both" ? fds[1] : fd,
      write: (text: string, done?: () => void) => {
        said[name] += text;
        done?.();
      },
    }) as unknown as NodeJS.WriteStream;
  const env = { JOURNAL_STREAM: journal === "neither" ? "1:2" : of(at) };
  await work(new Output(json, stream("out", fds[0]), stream("err", fds[1]), env));
  for (const fd of fds) closeSync(fd);
  return said;
}

async function everything(output: Output): Promise<void> {
  await output.result({ event: "state" }, () => "two\nlines");
  output.note("a remark");
  output.warn("careful");
  output.fail({ exitCode: 1, code: "FILE", message: "broken" });
}

describe("the output of a service", () => {
  it("has the level of each line before it, for the journal", async () => {
    expect(await written("both", everything)).toEqual({
      out: "<6>two\n<6>lines\n",
      err: "<6>a remark\n<4>! careful\n<3>sidewire-mesh: broken\n",
    });
  });

  it("has levels before objects, too, since journald takes them away", async () => {
    expect(await written("both", everything, true)).toEqual({
      out: '<6>{"event":"state"}\n',
      err: '<4>{"warning":"careful"}\n<3>{"error":"broken","code":"FILE"}\n',
    });
  });

  it("has none in a stream that is led elsewhere", async () => {
    const plain = { out: "two\nlines\n", err: "a remark\n! careful\nsidewire-mesh: broken\n" };
    expect(await written("neither", everything)).toEqual(plain);
    expect((await written("err", everything)).out).toBe(plain.out);
    expect((await written("out", everything)).err).toBe(plain.err);
  });

  it("is recognized by the command at its own descriptors", () => {
    const path = join(temporaryFolder(), "journal");
    const fd = openSync(path, "w");
    const { dev, ino } = fstatSync(fd, { bigint: true });
    const env = { ...process.env, JOURNAL_STREAM: `${dev}:${ino}` };
    const args = [join(import.meta.dirname, "../../bin/sidewire-mesh.js"), "pu"];
    spawnSync(process.execPath, args, { env, stdio: ["ignore", "pipe", fd] });
    expect(readFileSync(path, "utf8")).toMatch(/^<3>sidewire-mesh: unknown command/);
    const { stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8" });
    expect(stderr).toMatch(/^sidewire-mesh: unknown command/);
    closeSync(fd);
  });
});
