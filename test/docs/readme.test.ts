import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseRouterOptions } from "../../src/options.js";
import { use } from "../support/peers.js";
import { ROOT, readPages } from "./pages.js";
import { isCode } from "./programs.js";
import { Sandbox } from "./run.js";

const readme = readPages().find(({ path }) => path === "README.md");

describe("the README", { timeout: 60_000 }, () => {
  it("begins with a program of at most 15 lines, which does what it says", async () => {
    const program = readme?.blocks.find(isCode)?.text ?? "";
    expect(program.split("\n").length).toBeLessThanOrEqual(15);
    const sandbox = use(await Sandbox.open());
    const { out } = await sandbox.node("readme.ts", program);
    expect(out.trim().split("\n").toSorted()).toEqual([
      expect.stringMatching(/^0[23][0-9a-f]{6}… says hello$/),
      "5 bytes delivered",
    ]);
  });

  it("has two commands that show and check everything", () => {
    expect(readme?.blocks[0]?.text.split("\n")).toEqual(["npm ci && npm run demo", "npm test"]);
  });

  it("has every option in its table, with the default that it has", () => {
    const rows = readFileSync(join(ROOT, "README.md"), "utf8").matchAll(/^\| `(\w+)` +\| (.*?) +\|/gm);
    const table = new Map(
      [...rows].map(([, name = "", fallback = ""]) => [name, fallback.replaceAll(/[ `]/g, "")]),
    );
    const source = readFileSync(join(ROOT, "src/options.ts"), "utf8");
    const options = /^export interface RouterOptions \{$(.*?)^\}$/ms.exec(source)?.[1] ?? "";
    const names = [...options.matchAll(/^ {2}(\w+)\??: /gm)].map(([, name = ""]) => name);
    expect([...table.keys()].toSorted()).toEqual(names.toSorted());
    for (const [name, value] of Object.entries(parseRouterOptions({ getTime: Date.now }))) {
      if (typeof value === "number" || typeof value === "boolean")
        expect(table.get(name)).toBe(String(value));
    }
  });

  it("shows the demo as it is: examples/demo/picture.ts draws it anew", () => {
    const out = execFileSync(process.execPath, ["--import", "tsx", "examples/demo/main.ts"], {
      cwd: ROOT,
      encoding: "utf8",
    });
    const titles = [...out.matchAll(/^\d {2}([^:]+): (.+)$/gm)].map(([, title = ""]) => title);
    expect(titles.length).toBeGreaterThanOrEqual(5);
    const picture = readFileSync(join(ROOT, "docs/demo.svg"), "utf8");
    const drawn = [...picture.matchAll(/>([^<]+)<\/text>/g)].map(([, text]) => text);
    expect(titles.filter((title) => !drawn.includes(title))).toEqual([]);
    expect(drawn.at(-1)).toBe(out.trimEnd().split("\n").at(-1));
  });
});
