import { type SpawnSyncReturns, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { runBundle } from "../src/cli/code-cache.js";

const PROGRAM = join(import.meta.dirname, "support/bundle-program.ts");

/** Long enough that V8 has something to keep. */
const SOURCE = `const sum = (n) => (n === 0 ? 0 : n + sum(n - 1));\nprocess.stdout.write("sum " + sum(9) + ",");`;

let folder: string;
let bundle: string;
let cache: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "code-cache-"));
  bundle = join(folder, "main.cjs");
  cache = join(folder, "main.cache");
  writeFileSync(bundle, SOURCE);
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Runs the bundle in a process of its own. @returns what it says */
function run(...more: readonly string[]): string {
  const { stdout, stderr, status } = start([], ...more);
  expect(status, stderr).toBe(0);
  expect(stderr).toBe("");
  return stdout;
}

function start(flags: readonly string[], ...more: readonly string[]): SpawnSyncReturns<string> {
  return spawnSync(process.execPath, [...flags, "--import", "tsx", PROGRAM, bundle, cache, ...more], {
    encoding: "utf8",
  });
}

describe("the cache of the command's code", () => {
  it("is written by a run that may, and used by the next one", () => {
    expect(run("keep")).toBe("sum 45, not used");
    expect(run()).toBe("sum 45, used");
    expect(readdirSync(folder).toSorted()).toEqual(["main.cache", "main.cjs"]);
  });

  it("is not written by a run that ends before it would be of use, nor by one that fails", () => {
    expect(run()).toBe("sum 45, not used");
    expect(existsSync(cache)).toBe(false);
    writeFileSync(bundle, "process.exitCode = 2;");
    expect(start([], "keep").status).toBe(2);
    expect(existsSync(cache)).toBe(false);
  });

  it("is not used for another bundle, though that is as long, and is replaced then", () => {
    run("keep");
    writeFileSync(bundle, SOURCE.replace("sum(9)", "sum(4)"));
    expect(run("keep")).toBe("sum 10, not used");
    expect(run()).toBe("sum 10, used");
  });

  it("is not used by a Node with other flags, for which V8 would make other code", () => {
    run("keep");
    expect(start(["--no-lazy"]).stdout).toBe("sum 45, not used");
  });

  it("is not used where another user could have written it", () => {
    run("keep");
    for (const mode of [0o664, 0o646]) {
      chmodSync(cache, mode);
      expect(run()).toBe("sum 45, not used");
    }
    chmodSync(cache, 0o644);
    expect(run()).toBe("sum 45, used");
  });

  it("does not keep a program from running where it cannot be written", () => {
    cache = join(folder, "missing", "main.cache");
    expect(run("keep")).toBe("sum 45, not used");
    cache = folder;
    expect(run("keep")).toBe("sum 45, not used");
  });

  it("is not used when it is damaged, wherever and however", () => {
    // What says nothing can run in this process.
    writeFileSync(bundle, "const sum = (n) => (n === 0 ? 0 : n + sum(n - 1));\nmodule.exports = sum(9);");
    run("keep");
    const whole = readFileSync(cache);
    const damaged = [
      ...[0, 1, 31, 32, 33, whole.length - 1].map((length) => whole.subarray(0, length)),
      Buffer.concat([whole, Buffer.from([0])]),
      ...Array.from({ length: 500 }, (_, i) => {
        const bytes = Buffer.from(whole);
        const at = i < 100 ? i : Math.floor(((i - 100) / 400) * bytes.length);
        bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (i % 8)), at);
        return bytes;
      }),
    ];
    for (const bytes of damaged) {
      writeFileSync(cache, bytes);
      expect(runBundle(bundle, cache, false)).toBe(false);
    }
  });
});
