import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ROOT } from "./pages.js";

const page = readFileSync(join(ROOT, "docs/troubleshooting.md"), "utf8");

/** The members of a union of texts in a source file. */
function membersOf(file: string, type: string): string[] {
  // Without its comments, which quote and punctuate as they like.
  const source = readFileSync(join(ROOT, file), "utf8").replaceAll(/\/\*.*?\*\//gs, "");
  const union = new RegExp(`export type ${type} =(.*?);`, "s").exec(source)?.[1] ?? "";
  return [...union.matchAll(/"([^"]+)"/g)].map(([, name = ""]) => name);
}

/** The first column of the tables below a heading. */
function rowsBelow(heading: string): string[] {
  const section = page.split(/^## /m).find((text) => text.startsWith(`${heading}\n`)) ?? "";
  return [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name = ""]) => name);
}

/** All texts in the source, as they are. */
const SOURCE: string = readdirSync(join(ROOT, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => readFileSync(join(ROOT, "src", name), "utf8"))
  .join("\n");

describe("troubleshooting", () => {
  it("quotes of errors what the library says, word for word", () => {
    const prose = page.replaceAll(/```.*?```|`[^`]*`/gs, "");
    const quotes = [...prose.matchAll(/"([^"\n]+)"/g)].map(([, quote = ""]) => quote);
    expect(quotes).toContain("what answered is not MQTT");
    expect(quotes.filter((quote) => !SOURCE.includes(quote))).toEqual([]);
  });

  it.each([
    ["every error code", "src/base/errors.ts", "SidewireErrorCode", "Error codes"],
    [
      "every reason for a broker's failure",
      "src/base/errors.ts",
      "BrokerFailure",
      "Reasons for a broker's failure",
    ],
    ["every reason for a drop", "src/receiving/receiver.ts", "DropReason", "Reasons for a drop"],
  ])("has %s, and no other", (_, file, type, heading) => {
    const members = membersOf(file, type);
    expect(members.length).toBeGreaterThan(5);
    expect(rowsBelow(heading).toSorted()).toEqual(members.toSorted());
  });
});
