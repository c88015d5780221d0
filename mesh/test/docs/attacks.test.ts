import { expect, it } from "vitest";
import { expectCounted, expectThere, read, rowsOf } from "./shown-by.js";

const page = read("docs/attacks.md");
const rows = rowsOf(page);

it("the page of attacks counts them right, each once, in order", () => {
  expect(rows.length).toBeGreaterThan(0);
  expectCounted(rows, page, "attacks");
});

it.each(rows)("attack $no names tests that there are, or says that there is none: $shown", ({ shown }) => {
  if (shown !== "no test") expectThere(shown);
});
