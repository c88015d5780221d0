import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Monitor } from "../../src/device/monitor.js";
import { Programs } from "../../src/device/programs.js";

describe("the monitor", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sidewire-monitor-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const script = (text: string): Programs => new Programs({ prefix: ["sh", "-c", text] });

  it("wakes once for many lines, and again while they do not end; nothing runs after it", async () => {
    let wakes = 0;
    let more: () => void = () => {};
    const third = new Promise<void>((resolve) => {
      more = resolve;
    });
    const startedAt = performance.now();
    const monitor = new Monitor(script(`echo $$ >> ${folder}/pids; while :; do echo y; done`), () => {
      if (++wakes === 3) more();
    });
    await third;
    // Two programs that never stop talking: one wake in half a second.
    expect(performance.now() - startedAt).toBeGreaterThan(1_400);
    await monitor.close();
    const pids = readFileSync(`${folder}/pids`, "utf8").trim().split("\n").map(Number);
    expect(pids).toHaveLength(2);
    for (const pid of pids) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("starts a program again that has ended, and one that cannot be started, after a while", async () => {
    const startedAt = performance.now();
    let wakes = 0;
    await new Promise<void>((resolve) => {
      const monitor = new Monitor(new Programs({ prefix: [join(folder, "missing")] }), () => {
        if (++wakes === 2) void monitor.close().then(resolve);
      });
    });
    expect(performance.now() - startedAt).toBeGreaterThan(1_700);
  });

  it("wakes once after its start: what happened before the programs ran was not heard of", async () => {
    await new Promise<void>((resolve) => {
      const monitor = new Monitor(script("exec sleep 60"), () => void monitor.close().then(resolve));
    });
  });
});
