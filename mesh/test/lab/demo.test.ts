import { readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { NETNS, readName } from "../../lab/names.js";
import { type LongRunning, start } from "../../lab/process.js";
import { tryRun } from "../../lab/run.js";
import { withLab } from "../support/needs.js";

const ROOT = join(import.meta.dirname, "../../..");
/** Not by npm, which would stand between a signal and the demo. */
const DEMO = [process.execPath, "--import", "tsx", join(ROOT, "mesh/examples/demo/main.ts")];

it("says in one line what is missing on a machine without the programs", async () => {
  const env = { ...process.env, PATH: "", TEST_PATH: "" };
  const { code, stdout, stderr } = await tryRun(DEMO, { env, cwd: ROOT });
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(
    /^npm run demo:mesh builds a network of its own, which it cannot do here: (?:it needs \w+|missing: ip, .*\(Debian: apt install iproute2 .*\)).*\.\n$/,
  );
});

it("says what else there is to see", async () => {
  const { code, stdout, stderr } = await tryRun([...DEMO, "six"], { cwd: ROOT });
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/npm run demo:mesh -- five/);
});

withLab("the demo of the mesh", () => {
  it("holds what it promises", async () => {
    const env = { ...process.env, NO_COLOR: "1" };
    const { code, stdout, stderr } = await tryRun(DEMO, { env, cwd: ROOT });
    expect([code, stderr], stdout).toEqual([0, ""]);
    // Of both sides, when they meet and when one moves.
    for (const [what, times] of [
      [/^ +\d+ {2}\w+ +STUN answers after .* ms: seen as 198\.51\.100\.\d+:51820$/gm, 3],
      [/^ +\d+ {2}\w+ +announces that to \w+ over the broker$/gm, 3],
      [/^ +\d+ {2}\w+ +hears where \w+ is$/gm, 3],
      [/^ +\d+ {2}\w+ +probe to 198\.51\.100\.\d+:51820 answered after .* ms$/gm, 4],
      [/^ +\d+ {2}\w+ +takes the direct path: WireGuard sends to 198\.51\.100\.\d+:51820$/gm, 3],
      [/^ +\d+ {2}\w+ +WireGuard's handshake is done$/gm, 2],
      [/^ +\d+ {2}ann +the first ping is back$/gm, 1],
      [/ {2}direct {2}direct NAT {2}198\.51\.100\.\d+:51820 /g, 2],
      [/^ {2}\w+ is left as before: interface, addresses, routes, nft tables$/gm, 2],
      [/^ {2}and 0 in plaintext/gm, 1],
    ] as const)
      expect(stdout.match(what)?.length ?? 0, `${what}\n${stdout}`).toBeGreaterThanOrEqual(times);
    const [, gap, unit] = /the longest time without one: (\d+(?:\.\d)?) (\w+)$/m.exec(stdout) ?? [];
    expect(unit).toBe("ms");
    expect(Number(gap)).toBeLessThanOrEqual(5000);
    expect(stdout).not.toContain("\u001b");
  });

  it("holds what it promises of five", { timeout: 300_000 }, async () => {
    const env = { ...process.env, NO_COLOR: "1" };
    const { code, stdout, stderr } = await tryRun([...DEMO, "five"], { env, cwd: ROOT });
    expect([code, stderr], stdout).toEqual([0, ""]);
    for (const [what, times] of [
      [/^ +[\d.]+ ms +\w+ +ping ann\.demo\.internal is back$/gm, 4],
      [/^dora +relayed {2}relayed by ann {2}/gm, 1],
      [/^ {2}\d+ pings from carl to dora; ann passed on \d+ packets, 0 that she could read$/gm, 1],
      [/^ +[\d.]+ ms +\w+ +has emil no more$/gm, 4],
      [/^ {2}emil pings ann: no answer$/gm, 1],
      [/^ {2}ben's eth0 went: the longest time without a ping to \w+ +[\d.]+ ms$/gm, 3],
      [/^ {2}ben started anew: [\d.]+ ms until \w+ answers him again$/gm, 3],
      [/^ {2}all five are left as before/gm, 1],
      [/, and 0 in plaintext$/gm, 1],
    ] as const)
      expect(stdout.match(what)?.length ?? 0, `${what}\n${stdout}`).toBe(times);
  });

  it.each(["SIGINT", "SIGTERM"] as const)("leaves nothing behind after %s in the middle", async (signal) => {
    await using demo = start(DEMO, { ...process.env });
    await demo.wrote(/^2 {2}They meet/m);
    expect(left(demo)).not.toEqual([]);
    demo.signal(signal);
    await demo.wrote(/\(ended with 1(?:30|43)\)/);
    expect(left(demo)).toEqual([]);
  });
});

/** What there is of a demo's network. */
function left({ pid }: LongRunning): string[] {
  return [...readdirSync(NETNS), ...readdirSync(tmpdir())].filter((name) => readName(name)?.pid === pid);
}
