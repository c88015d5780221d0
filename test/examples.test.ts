import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BrokerPool, parseBrokerPool } from "../src/index.js";
import { type EmbeddedBroker, startEmbeddedBroker } from "./support/embedded-broker.js";

const ROOT = join(import.meta.dirname, "..");

interface Run {
  /** The exit code; undefined when it did not end by itself. */
  readonly code: number | undefined;
  readonly out: string[];
  readonly error: string;
}

/** Runs an example as a user would: by plain Node, in a process of its own, with the package as it was built. */
function run(name: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Run> {
  const file = join(ROOT, "examples", name);
  const { SIDEWIRE_BROKERS: _, ...inherited } = process.env;
  const options = { cwd: ROOT, env: { ...inherited, ...env }, timeout: 15_000 };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [file, ...args], options, (_, out, error) => {
      resolve({ code: child.exitCode ?? undefined, out: out.trim().split("\n"), error });
    });
  });
}

describe("the examples", () => {
  let folder: string;
  let pool: string;
  let brokers: EmbeddedBroker[];

  const write = (name: string, content: unknown): string => {
    const path = join(folder, name);
    writeFileSync(path, typeof content === "string" ? content : JSON.stringify(content));
    return path;
  };

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sidewire-examples-"));
    brokers = await Promise.all(["127.0.0.1", "127.0.0.2"].map((host) => startEmbeddedBroker(host)));
    pool = write("brokers.json", {
      IPv4: Object.fromEntries(brokers.map(({ host, port }) => [host, { port }])),
    });
  });

  afterAll(async () => {
    await Promise.all(brokers.map((broker) => broker.close()));
    rmSync(folder, { recursive: true });
  });

  it("custom-pool: shows where Ben is to be found, best first, and finds him there", async () => {
    const { code, out, error } = await run("custom-pool.mjs", [pool]);
    expect(error).toBe("");
    const scores = out.flatMap(
      (line) => /^IPv4 127\.0\.0\.[12] has the score (\S+) for Ben$/.exec(line) ?? [],
    );
    expect(scores).toHaveLength(4);
    expect(Number(scores[1])).toBeLessThanOrEqual(Number(scores[3]));
    expect(out).toContainEqual(expect.stringMatching(/^Ben got "Hello Ben" by 127\.0\.0\.[12]$/));
    expect(out).toContainEqual(
      expect.stringMatching(/^Ann's message was acknowledged by 127\.0\.0\.[12] in \d+\.\d ms$/),
    );
    expect(code).toBe(0);
  });

  it("custom-pool: says which entry of a bad file is wrong", async () => {
    const bad = write("bad.json", { IPv4: { "127.0.0.1": { port: "1883" } } });
    const { code, error } = await run("custom-pool.mjs", [bad]);
    expect(error).toBe('InvalidInputError: IPv4["127.0.0.1"].port: expected a port from 1 to 65535\n');
    expect(code).toBe(1);
  });

  it("custom-pool: says what is wrong with a file that is no JSON, or not there", async () => {
    const [noJson, absent] = await Promise.all([
      run("custom-pool.mjs", [write("text.json", "brokers: none")]),
      run("custom-pool.mjs", [join(folder, "absent.json")]),
    ]);
    expect(noJson).toMatchObject({
      code: 1,
      error: expect.stringMatching(/^InvalidInputError: pool: expected JSON/),
    });
    expect(absent).toMatchObject({ code: 1, error: expect.stringMatching(/^Error: ENOENT/) });
  });

  it("custom-pool: gives each broker's reason when none can be reached, and ends", async () => {
    const gone = await startEmbeddedBroker("127.0.0.3");
    const path = write("gone.json", { IPv4: { [gone.host]: { port: gone.port } } });
    await gone.close();
    const { code, error } = await run("custom-pool.mjs", [path]);
    expect(error).toMatch(/^NoBrokerError: no broker could be reached \(IPv4 127\.0\.0\.3: .*ECONNREFUSED/);
    expect(code).toBe(1);
  });

  it("request-reply: every question is answered", async () => {
    const { code, out, error } = await run("request-reply.mjs", [pool]);
    expect(error).toBe("");
    expect(out.toSorted()).toEqual([
      "What time is it? No idea.",
      "Where do I find you? At my key's address, on any of these brokers.",
      "Who are you? I am Ben.",
    ]);
    expect(code).toBe(0);
  });

  it("take their pool from the environment too", async () => {
    const names = ["custom-pool.mjs", "request-reply.mjs"];
    const runs = await Promise.all(names.map((name) => run(name, [], { SIDEWIRE_BROKERS: pool })));
    expect(runs.map(({ code, error }) => ({ code, error }))).toEqual(
      names.map(() => ({ code: 0, error: "" })),
    );
  });

  it("come with a pool file for a broker on this machine", () => {
    const local: BrokerPool = parseBrokerPool(
      readFileSync(join(ROOT, "examples/local-brokers.json"), "utf8"),
    );
    expect(local.IPv4).toEqual({ "127.0.0.1": { port: 1883, weight: 1 } });
  });
});
