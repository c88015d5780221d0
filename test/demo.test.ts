import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { type Count, Ledger, problemsOf } from "../examples/demo/ledger.js";
import { cell, verdict } from "../examples/demo/screen.js";
import { startEmbeddedBroker } from "./support/embedded-broker.js";
import { atOurPace } from "./support/pace.js";

const ROOT = join(import.meta.dirname, "..");

interface Run {
  /** The exit code; undefined when it did not end by itself. */
  readonly code: number | undefined;
  readonly out: string;
  readonly error: string;
  readonly seconds: number;
}

function runDemo(...args: string[]): Promise<Run> {
  const timeout = atOurPace(18_000);
  const command = ["--import", "tsx", join(ROOT, "examples/demo/main.ts"), ...args];
  const startedAt = performance.now();
  return new Promise((resolve) => {
    const child = execFile(process.execPath, command, { cwd: ROOT, timeout }, (_, out, error) => {
      const seconds = (performance.now() - startedAt) / 1000;
      resolve({ code: child.exitCode ?? undefined, out, error, seconds });
    });
  });
}

/** The numbers behind a direction in the table at the end. */
function countOf(direction: string, out: string): string[] {
  const line = out.split("\n").findLast((text) => text.trimStart().startsWith(direction));
  return (line ?? "").trim().slice(direction.length).trim().split(/\s+/);
}

describe("the demo", () => {
  it("shows that nothing is lost, doubled or accepted twice, in few and short lines, within 15 s", async () => {
    const { code, out, error, seconds } = await runDemo();
    expect(error).toBe("");
    expect(code).toBe(0);
    expect(seconds).toBeLessThan(atOurPace(15));
    const toBen = countOf("Ann → Ben", out);
    const stream = Number(/while Ann sends (\d+) messages/.exec(out)?.[1]);
    const sent = String(2 + stream);
    expect(toBen).toEqual([sent, sent, sent, "0", "0", "yes"]);
    expect(stream).toBeGreaterThanOrEqual(300);
    expect(countOf("Ben → Ann", out)).toEqual(["2", "2", "2", "0", "0", "yes"]);

    expect(out).toMatch(/is killed/);
    expect(out).toMatch(/takes its place [\d.]+ ms later/);
    expect(out).toMatch(/freezes/);
    expect(out).toMatch(/thaws.*:\n +[1-9]\d* refused as duplicates, 0 shown/);
    expect(out).toMatch(/3 times:\n +3 refused as duplicates, 0 shown/);
    expect(out).toMatch(/1 dropped for its signature/);

    const lines = out.trimEnd().split("\n");
    expect(lines.length).toBeLessThanOrEqual(50);
    // So that its picture is readable on a phone.
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(66);
    // No colours where nobody sees them.
    expect(out).not.toContain("\x1b");

    // The README's picture shows this: examples/demo/picture.ts draws it anew.
    const titles = [...out.matchAll(/^\d {2}(.+)$/gm)].map(([, title = ""]) => title);
    expect(titles.length).toBeGreaterThanOrEqual(5);
    const picture = readFileSync(join(ROOT, "docs/demo.svg"), "utf8");
    const drawn = [...picture.matchAll(/>([^<]+)<\/text>/g)].map(([, text]) => text);
    expect(titles.filter((title) => !drawn.includes(title))).toEqual([]);
    expect(drawn.at(-1)).toBe(lines.at(-1));
  });

  it.each([["--publik"], ["local"], ["--public", "--brokers", "x.json"]])(
    "answers %s with its usage",
    async (...args) => {
      const { code, out, error } = await runDemo(...args);
      expect(error).toBe("usage: npm run demo [-- --public | --brokers <file>]\n");
      expect(out).toBe("");
      expect(code).toBe(2);
    },
  );
});

describe("the demo over brokers that it doesn't run", () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sidewire-demo-"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const write = (pool: unknown): string => {
    const path = join(folder, "brokers.json");
    writeFileSync(path, JSON.stringify(pool));
    return path;
  };

  it("shows a conversation over them", async () => {
    const brokers = await Promise.all([1, 2, 3, 4].map((last) => startEmbeddedBroker(`127.0.0.${last}`)));
    onTestFinished(async () => {
      await Promise.all(brokers.map((broker) => broker.close()));
    });
    const entries = brokers.map(({ host, port }) => [host, { port }]);
    const { code, out, error } = await runDemo("--brokers", write({ IPv4: Object.fromEntries(entries) }));
    expect(error).toBe("");
    expect(out).toMatch(/Connecting to 4 IPv4 and 0 IPv6 brokers/);
    expect(out).toMatch(/Ann +0[23].* 127\.0\.0\.\d, 127\.0\.0\.\d, 127\.0\.0\.\d\n/);
    expect(countOf("Ann → Ben", out)).toEqual(["2", "2", "2", "0", "0", "yes"]);
    expect(countOf("Ben → Ann", out)).toEqual(["2", "2", "2", "0", "0", "yes"]);
    expect(code).toBe(0);
  });

  it("says why each of them could not be reached", async () => {
    const gone = await Promise.all([1, 2].map((last) => startEmbeddedBroker(`127.0.0.${last}`)));
    await Promise.all(gone.map((broker) => broker.close()));
    const entries = gone.map(({ host, port }) => [host, { port }]);
    const { code, out, error, seconds } = await runDemo(
      "--brokers",
      write({ IPv4: Object.fromEntries(entries) }),
    );
    expect(error).toBe("");
    for (const { host } of gone)
      expect(out).toMatch(new RegExp(`IPv4 +${host} +connection refused \\(ECONNREFUSED\\)\n`));
    expect(out).toMatch(/✗ none of these brokers can be reached from here/);
    expect(seconds).toBeLessThan(15);
    expect(code).toBe(1);
  });

  it("says what is wrong with a pool file", async () => {
    const { code, out } = await runDemo("--brokers", write({ IPv4: { "127.0.0.1": { port: -1 } } }));
    expect(out).toMatch(/✗ IPv4\["127\.0\.0\.1"\]\.port: expected a port/);
    expect(code).toBe(1);
  });
});

describe("the demo's count", () => {
  /** Three messages and what became of them. */
  function count(shown: readonly string[], acknowledged = 3): Count {
    const ledger = new Ledger("Ann → Ben");
    for (const text of ["one", "two", "three"]) ledger.sent(text);
    for (let i = 0; i < acknowledged; i++) ledger.acknowledged();
    for (const text of shown) ledger.shown(text);
    return ledger.count();
  }

  beforeEach(() => {
    const log = vi.spyOn(console, "log").mockImplementation(() => {});
    onTestFinished(() => log.mockRestore());
  });

  it("is clean when every message was shown once", () => {
    const good = count(["one", "two", "three"]);
    expect(good).toEqual({
      direction: "Ann → Ben",
      sent: 3,
      acknowledged: 3,
      shown: 3,
      lost: 0,
      doubled: 0,
      inOrder: true,
    });
    expect(problemsOf([good, good])).toEqual([]);
    expect(verdict([])).toBe(0);
  });

  it.each([
    ["lost", count(["one", "three"]), { lost: 1, doubled: 0 }, "1 lost"],
    ["doubled", count(["one", "two", "two", "three"]), { lost: 0, doubled: 1 }, "1 doubled"],
    ["doubled much later", count(["one", "two", "three", "one"]), { lost: 0, doubled: 1 }, "1 doubled"],
    ["never sent", count(["one", "two", "three", "four"]), { lost: 0, doubled: 1 }, "1 doubled"],
    ["out of order", count(["one", "three", "two"]), { lost: 0, doubled: 0, inOrder: false }, "out of order"],
    ["not acknowledged", count(["one", "two", "three"], 2), { acknowledged: 2 }, "1 not acknowledged"],
  ])("tells when a message was %s, and fails", (_, bad, expected, problem) => {
    expect(bad).toMatchObject(expected);
    const problems = problemsOf([count(["one", "two", "three"]), bad]);
    expect(problems).toEqual([`Ann → Ben: ${problem}`]);
    expect(verdict(problems)).toBe(1);
  });

  it("does not hide a loss behind a double", () => {
    expect(count(["one", "one", "two"])).toMatchObject({ shown: 3, lost: 1, doubled: 1 });
  });

  it("fails when nothing was sent", () => {
    expect(verdict(problemsOf([new Ledger("Ben → Ann").count()]))).toBe(1);
  });

  it("keeps columns as wide as they are told", () => {
    expect(cell("a", 3)).toBe("a  ");
    expect(cell("a", -3)).toBe("  a");
  });
});
