import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Hooks } from "../../src/cli/hooks.js";
import type { Hooks as Programs } from "../../src/config/settings.js";
import { directPeer, FakeMesh, KEY_A, someInfo, unmetPeer } from "../support/fake-mesh.js";
import { temporaryFolder } from "../support/temporary-folder.js";

const never = new AbortController().signal;

/** A program that does not end. */
const FOR_EVER = [process.execPath, "-e", "setTimeout(() => {}, 600_000)"];

function hooksOf(programs: Programs, timeoutMs?: number): { hooks: Hooks; warnings: string[] } {
  const warnings: string[] = [];
  const output = { json: true, warn: (message: string) => void warnings.push(message) };
  const hooks = new Hooks({
    ...{ interface: "wg0", programs, output, env: process.env },
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  });
  return { hooks, warnings };
}

/** A program that writes down what it is told, a line for each time. */
function teller(): { argv: string[]; lines: () => string[] } {
  const file = join(temporaryFolder(), "told");
  writeFileSync(file, "");
  const words = ["EVENT", "INTERFACE", "PEER", "NAME", "STATE", "PATH_KIND", "ENDPOINT"];
  const line = words.map((word) => `$SIDEWIRE_MESH_${word}`).join("|");
  return {
    argv: ["sh", "-c", `echo "$1|${line}" >> "$0"`, file, "an argument; with $(words)"],
    lines: () => readFileSync(file, "utf8").split("\n").filter(Boolean),
  };
}

describe("hooks", () => {
  it("tell the start and the end, with arguments as they are written", async () => {
    const told = teller();
    const one = [told.argv];
    const { hooks, warnings } = hooksOf({ preUp: one, postUp: one, preDown: one, postDown: one });
    await hooks.need("preUp", never);
    await hooks.need("postUp", never);
    await hooks.end();
    await hooks.after();
    expect(told.lines()).toEqual(
      ["pre-up", "post-up", "pre-down", "post-down"].map(
        (event) => `an argument; with $(words)|${event}|wg0|||||`,
      ),
    );
    expect(warnings).toEqual([]);
  });

  it("tell a peer's state, then its path, and nothing twice", async () => {
    const told = teller();
    const { hooks } = hooksOf({ exec: [told.argv] });
    const mesh = new FakeMesh();
    mesh.now = someInfo({ peers: [unmetPeer({ publicKey: KEY_A, name: "web" })] });
    hooks.watch(mesh);
    await expect.poll(() => told.lines().length, { timeout: 20_000 }).toBe(1);
    const change = async (peer = directPeer({ name: "web" }), lines = 0): Promise<void> => {
      mesh.now = someInfo({ peers: [peer] });
      mesh.emit("peer", peer);
      await expect.poll(() => told.lines().length, { timeout: 20_000 }).toBe(lines);
    };
    await change(directPeer({ name: "web" }), 2);
    // Only its bytes are others.
    mesh.emit("peer", directPeer({ receivedBytes: 1 }));
    const path = { kind: "lan", endpoint: "192.168.1.9:51820", roundTripMs: 1, since: 1 } as const;
    await change(directPeer({ name: "web", path }), 3);
    await hooks.end();
    expect(told.lines().map((line) => line.split("|").slice(1).join("|"))).toEqual([
      `peer|wg0|${KEY_A}|web|unmet||`,
      `peer|wg0|${KEY_A}|web|direct|nat|203.0.113.9:51820`,
      `path|wg0|${KEY_A}|web|direct|lan|192.168.1.9:51820`,
    ]);
    mesh.emit("peer", unmetPeer({ publicKey: KEY_A }));
    expect(told.lines()).toHaveLength(3);
  });

  it("tell the second of two changes in one moment, when the first is nothing to tell", async () => {
    // A program that fails says when it has ended.
    const { hooks, warnings } = hooksOf({ exec: [["sh", "-c", "exit 3"]] });
    const mesh = new FakeMesh();
    mesh.now = someInfo({ peers: [unmetPeer({ publicKey: KEY_A })] });
    hooks.watch(mesh);
    await expect.poll(() => warnings.length, { timeout: 20_000 }).toBe(1);
    await new Promise((resolve) => setImmediate(resolve));
    mesh.emit("peer", unmetPeer({ publicKey: KEY_A }));
    mesh.emit("peer", directPeer());
    await expect.poll(() => warnings.length, { timeout: 20_000 }).toBe(2);
    await hooks.end();
  });

  it("end the start when one fails, and not the daemon", async () => {
    const { hooks, warnings } = hooksOf({
      preUp: [["sh", "-c", "exit 3"]],
      postUp: [["/nowhere/at-all"]],
      preDown: [["sh", "-c", "exit 3"], ["/nowhere/at-all"]],
    });
    await expect(hooks.need("preUp", never)).rejects.toMatchObject({
      code: "COMMAND_FAILED",
      message: "the hook sh ended with 3",
    });
    await expect(hooks.need("postUp", never)).rejects.toMatchObject({ code: "MISSING_PROGRAM" });
    await hooks.end();
    expect(warnings).toEqual(["the hook sh ended with 3", "the hook /nowhere/at-all is not there"]);
  });

  it("end one that never does, with all that it has started", async () => {
    const { hooks } = hooksOf({ preUp: [["sh", "-c", '"$0" "$@" & wait', ...FOR_EVER]] }, 200);
    await expect(hooks.need("preUp", never)).rejects.toMatchObject({ code: "TIMEOUT" });
    const interrupted = hooksOf({ preUp: [FOR_EVER] });
    const abort = new AbortController();
    const running = interrupted.hooks.need("preUp", abort.signal);
    abort.abort(new Error("Ctrl-C"));
    await expect(running).rejects.toMatchObject({ code: "ABORTED" });
    const exec = hooksOf({ exec: [FOR_EVER] });
    exec.hooks.watch(new FakeMesh());
    await exec.hooks.end();
    expect(exec.warnings).toEqual([]);
  });
});
