import { expect, it } from "vitest";
import { expectCounted, expectThere, read, rowsOf } from "./shown-by.js";

const page = read("docs/reports.md");
const rows = rowsOf(page);

it("the page of reports counts them right, each once, in order", () => {
  expect(rows.length).toBeGreaterThan(0);
  expectCounted(rows, page, "kinds of fault");
});

it.each(rows)("report $no names a test that there is, or cannot occur: $shown", ({ shown }) => {
  if (shown !== "cannot occur") expectThere(shown);
});
