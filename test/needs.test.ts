import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const FOLDER = import.meta.dirname;

/** The files that know how to start what may be missing; `support/needs.ts` lets them. */
const STARTERS = ["chromium", "mosquitto", "nats", "python", "rabbitmq"];

/** A program that `.ci/run` starts, and no test. It says what it needs. */
const PROGRAMS = ["docs/site.ts"];

/** What a test may start without asking: it comes with Node or every Linux. */
const EVERYWHERE = ["bash", "mkfifo", "npm"];

const files = readdirSync(FOLDER, { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts") && !PROGRAMS.includes(name))
  .map((name) => ({ name, text: readFileSync(join(FOLDER, name), "utf8") }));

it("nothing that may be missing is started by a test that has not asked for it", () => {
  const importing = new RegExp(
    `^import (?!type )[^;]*from "[./]+/(?:support/)?(?:${STARTERS.join("|")})\\.js"`,
    "m",
  );
  const importers = files.filter(({ text }) => importing.test(text)).map(({ name }) => name);
  expect(importers).toEqual(["support/needs.ts"]);
});

it("programs that are started by their names are on every machine", () => {
  const started = files.flatMap(({ name, text }) =>
    [...text.matchAll(/\b(?:spawn|exec|execFile)(?:Sync)?\(\s*["'`]([^"'`]*)/g)].map(([, program = ""]) => ({
      name,
      program,
    })),
  );
  expect(started.length).toBeGreaterThan(0);
  expect(started.filter(({ program }) => !EVERYWHERE.includes(program))).toEqual([]);
});
