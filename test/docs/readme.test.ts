import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { defaultBrokers } from "../../src/index.js";
import { parseRouterOptions } from "../../src/options.js";
import { use } from "../support/peers.js";
import { ROOT, readPages } from "./pages.js";
import { isCode } from "./programs.js";
import { Sandbox } from "./run.js";

const readme = readPages().find(({ path }) => path === "README.md");

describe("the README", { timeout: 60_000 }, () => {
  it("begins with a program of ten lines, and shows what it prints", async () => {
    const first = readme?.blocks.findIndex(isCode) ?? -1;
    const program = readme?.blocks[first]?.text ?? "";
    expect(program.split("\n").filter((line) => line !== "")).toHaveLength(10);
    const sandbox = use(await Sandbox.open());
    const { out } = await sandbox.node("hello.mjs", program);
    const hosts = Object.keys(defaultBrokers.IPv4 ?? {});
    const said = hosts.find((host) => out.includes(` by ${host}\n`)) ?? "";
    expect(said).not.toBe("");
    const shown = readme?.blocks[first + 1];
    expect(shown?.language).toBe("text");
    expect(out.replace(said, "test.mosquitto.org")).toBe(`${shown?.text}\n`);
  });

  it("has two commands that show and check everything", () => {
    expect(readme?.blocks.map(({ text }) => text)).toContain("npm ci && npm run demo\nnpm test");
  });

  it("explains, compares and shows in this order", () => {
    const text = readFileSync(join(ROOT, "README.md"), "utf8");
    const titles = [...text.matchAll(/^## (.*)$/gm)].map(([, title]) => title);
    expect(titles.slice(0, 6)).toEqual([
      "Ten lines",
      "How it works",
      "Compared with its neighbours",
      "What it promises",
      "Where it runs",
      "How two people get each other's address",
    ]);
    expect(text).toMatch(/<details>(?:(?!<\/details>).)*docs\/demo\.svg/s);
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
});
