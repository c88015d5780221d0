import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { EXAMPLES } from "../../lab/examples.js";
import { type LongRunning, start } from "../../lab/process.js";
import { withLab } from "../support/needs.js";

const MAIN = fileURLToPath(new URL("../../lab/main.ts", import.meta.url));

/** Starts what `npm run lab` does. */
function startMain(name: string): LongRunning {
  return start([process.execPath, "--import", "tsx", MAIN, name]);
}

withLab("npm run lab", (startLab) => {
  it("shows a lab, says how to enter it, and takes it down at Ctrl-C", async () => {
    await using main = startMain("double-nat");
    await main.wrote(/Ctrl-C ends it/);
    expect(main.log).toMatch(/│ {2}│ {2}└─ ha \(host\) eth0 192\.168\.\d+\.2\n/);
    const namespaces = [...main.log.matchAll(/^ip netns exec (\S+) bash$/gm)].map(([, name]) => name);
    expect(namespaces.length).toBe(6);
    expect(readdirSync("/run/netns")).toEqual(expect.arrayContaining(namespaces));
    main.signal("SIGINT");
    await main.wrote(/\(ended with 0\)$/);
    const left = readdirSync("/run/netns");
    expect(namespaces.filter((name = "") => left.includes(name))).toEqual([]);
  });

  it("lists all where it knows none of the name", async () => {
    await using main = startMain("constructor");
    await main.wrote(/\(ended with 2\)$/);
    for (const name of Object.keys(EXAMPLES)) expect(main.log).toContain(`  ${name}`);
  });

  it.each(Object.entries(EXAMPLES))("%s is built, and every host reaches the middle", async (_, example) => {
    await using lab = await startLab(example);
    for (const name of Object.keys(example.hosts))
      expect(await lab.host(name).canPing("203.0.113.1")).toBe(true);
  });
});
