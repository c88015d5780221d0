import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse as parseYaml } from "yaml";
import { parseBrokerPool } from "../../src/index.js";
import { problemOf } from "./commands.js";
import { type Block, placeOf, ROOT, readPages } from "./pages.js";
import { isCode, programsIn, programsOf, typeErrors } from "./programs.js";
import { Sandbox } from "./run.js";

const SHELL = new Set(["sh", "bash"]);
/** Checked here, in `web-page.test.ts` or in `python.test.ts`. `text` is output, a drawing, a format: nothing to run. */
const OTHER = new Set(["json", "yaml", "html", "python", "text"]);

const pages = readPages();
const blocks = pages.flatMap((page) => page.blocks);
const programs = pages.flatMap(programsOf);

/** Programs that readers save under a name: each is a file that its page links to. */
const FILES = new Map([
  ["js", ".mjs"],
  ["html", ".html"],
  ["python", ".py"],
]);

/** The file that a block is, word for word: one of those that its page links to. */
function fileOf({ page: path, language, text }: Block): string | undefined {
  const ending = FILES.get(language);
  const links = pages.find((page) => page.path === path)?.links ?? [];
  return links
    .filter(({ url }) => ending !== undefined && url.endsWith(ending) && !/^https?:/.test(url))
    .map(({ url }) => join(dirname(path), url))
    .find((file) => readFileSync(join(ROOT, file), "utf8") === `${text}\n`);
}

/** Those in a language that are not excused, as rows for `it.each`. */
function rows(isWanted: (block: Block) => boolean): [string, Block][] {
  return blocks.flatMap((block) =>
    block.excuse === undefined && isWanted(block) ? [[placeOf(block), block]] : [],
  );
}

/** The lines of a shell's program, those that end with a backslash joined with the next. */
function linesOf(text: string): string[] {
  return text.replaceAll("\\\n", " ").split("\n");
}

describe("the code blocks of the documentation", () => {
  it("are there", () => {
    expect(programs.length).toBeGreaterThan(3);
    expect(blocks.map(({ page }) => page)).toContain("README.md");
  });

  it("are in a language that is checked, or say why they are not run: <!-- not run: … -->", () => {
    const known = (block: Block): boolean =>
      isCode(block) || SHELL.has(block.language) || OTHER.has(block.language);
    expect(rows((block) => !known(block)).map(([place, { language }]) => `${place} ${language}`)).toEqual([]);
  });

  it("give a reason that can be read where they are not run", () => {
    const excused = blocks.filter(({ excuse }) => excuse !== undefined);
    console.log(`${excused.length} of ${blocks.length} blocks are not run`);
    for (const block of excused) console.log(`  ${placeOf(block)}: ${block.excuse}`);
    expect(excused.filter(({ excuse = "" }) => excuse.trim().length < 10).map(placeOf)).toEqual([]);
  });

  it.each(
    blocks.filter(({ language }) => FILES.has(language)).map((block) => [placeOf(block), block] as const),
  )("%s is a file that its page links to, word for word", (_, block) => {
    expect(fileOf(block)).toBeDefined();
  });

  it("are JavaScript, which plain Node runs, unless they say why they are not run", () => {
    const others = rows((block) => isCode(block) && block.language !== "js");
    expect(others.map(([place]) => place)).toEqual([]);
  });

  it("have the types of the public API, as the examples have", { timeout: 300_000 }, () => {
    const examples = ["examples", "mesh/examples"].flatMap(programsIn);
    expect(examples.map(({ name }) => name)).toContain("examples/hello.mjs");
    expect(typeErrors([...programs, ...examples])).toEqual([]);
  });

  it.each(rows(({ language }) => language === "json"))(
    "%s is JSON, and a pool where it looks like one",
    (_, { text }) => {
      const value: unknown = JSON.parse(text);
      const isPool = typeof value === "object" && value !== null && ("IPv4" in value || "IPv6" in value);
      if (isPool) parseBrokerPool(value);
    },
  );

  it.each(rows(({ language }) => language === "yaml"))("%s is YAML", (_, { text }) => {
    expect(parseYaml(text)).toBeTypeOf("object");
  });

  it.each(rows(({ language }) => SHELL.has(language)))("%s names commands that exist", (_, block) => {
    const page = pages.find(({ path }) => path === block.page);
    const problems = linesOf(block.text).map((line) => problemOf(line, page?.inlineCode ?? new Set()));
    expect(problems.filter((problem) => problem !== undefined)).toEqual([]);
  });
});

describe("the programs of the documentation", { timeout: 60_000 }, () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await Sandbox.open();
  });
  afterAll(() => sandbox[Symbol.asyncDispose]());

  it.each(rows(isCode))("%s runs, and ends by itself", async (_, block) => {
    const { code, error } = await sandbox.node(basename(fileOf(block) ?? ""), block.text);
    expect({ code, error }).toEqual({ code: 0, error: "" });
  });
});
