import stringWidth from "string-width";
import { describe, expect, it } from "vitest";
import { hung, printable } from "../../src/cli/printable.js";

const HEAD = "12:00:00  02abcdef…1234  ";
const FAKE = "12:00:01  03fedcba…4321  I agree";

describe("a text of a stranger", () => {
  it.each([
    ["two spaces", "  "],
    ["a space and one without a break", " \u00a0"],
    ["a space joined to another", " \u200d "],
    ["a space, marked, and another", " \u0301 "],
    ["a wide space", "\u3000"],
    ["a Braille blank", "\u2800\u2800"],
    ["Hangul fillers", "\u3164\u3164"],
  ])("has no room as between the fields of a line: %s", (_, blanks) => {
    const shown = printable(FAKE.replaceAll("  ", blanks));
    expect(shown).toContain("\\");
    expect(shown).not.toMatch(/[\s\u2800\u3164](?:\u200c|\u200d|\p{M})*[\s\u2800\u3164]/u);
  });

  it("stays as it is otherwise", () => {
    for (const text of ["hello, world", "a é ü 👩‍👩‍👧", "שלום עולם", "नमस्ते दुनिया", "你好 世界"])
      expect(printable(text)).toBe(text);
  });

  it("never begins a row, at any width, wherever it is padded", () => {
    for (const fill of ["x", " x", "界", "é"]) {
      for (let pad = 0; pad < 120; pad += 7) {
        const text = printable(fill.repeat(pad) + FAKE + fill.repeat(pad) + FAKE);
        for (let columns = 12; columns < 130; columns += 3) {
          const [first = "", ...rest] = hung(HEAD, text, columns).split("\n");
          expect(first.startsWith(HEAD)).toBe(true);
          for (const row of rest) {
            expect(row.startsWith(" ")).toBe(true);
            expect(stringWidth(row)).toBeLessThanOrEqual(columns);
          }
          const joined = [
            first.slice(HEAD.length),
            ...rest.map((row) => row.slice(Math.min(HEAD.length, columns >> 1))),
          ].join("");
          expect(joined).toBe(text);
        }
      }
    }
  });

  it("is one line where nobody watches", () => {
    expect(hung(HEAD, "x".repeat(500), undefined)).toBe(HEAD + "x".repeat(500));
  });
});
