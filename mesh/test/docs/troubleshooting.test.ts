import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { endingOf } from "../../src/cli/failure.js";
import { MeshError, type MeshErrorCode } from "../../src/errors.js";
import { reasonFor } from "../../src/path/reason.js";

const MESH = join(import.meta.dirname, "../..");
const page = readFileSync(join(MESH, "docs/troubleshooting.md"), "utf8");

/** All that the sources say, as one text: literals in several pieces are put together. */
const sources = readdirSync(join(MESH, "src"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".ts"))
  .map((file) => readFileSync(join(MESH, "src", file), "utf8"))
  .join("\n")
  .replaceAll(/["`] \+\s+["`]/g, "");

/** The pieces of a sentence that are always the same. */
function pieces(sentence: string): string[] {
  return sentence
    .split("…")
    .map((piece) => piece.trim())
    .filter((piece) => piece.length > 3);
}

const headings = [...page.matchAll(/^### (.+)$/gm)].map(([, heading = ""]) => heading);
const reasons = [...page.matchAll(/^\| ([^|`]+) \|/gm)]
  .map(([, reason = ""]) => reason)
  .filter((reason) => !/^(reason|code|-+)/.test(reason));

describe("troubleshooting of the mesh", () => {
  it("has symptoms", () => {
    expect(headings.length).toBeGreaterThan(10);
    expect(reasons.length).toBeGreaterThan(7);
  });

  it.each([...headings, ...reasons])("quotes what the command says: %s", (sentence) => {
    expect(pieces(sentence).length).toBeGreaterThan(0);
    for (const piece of pieces(sentence)) expect([piece, sources.includes(piece)]).toEqual([piece, true]);
  });

  it("has every reason for which there is no path", () => {
    const nats = ["open", "stable", "symmetric", "blocked", "unknown"] as const;
    const situations = (["unmet", "probing", "lost"] as const).flatMap((state) =>
      nats.flatMap((ownNat) =>
        nats.flatMap((peerNat) =>
          [true, false].flatMap((isHeard) =>
            [0, 1, 2].map((candidates) => ({ state, ownNat, peerNat, isHeard, candidates })),
          ),
        ),
      ),
    );
    const given = new Set(situations.map((one) => reasonFor({ ...one, isProven: false, isFiltered: false })));
    given.add(
      reasonFor({
        ...{ state: "direct", candidates: 1, isProven: true, isHeard: true, isFiltered: true },
        ...{ ownNat: "open", peerNat: "open" },
      }),
    );
    expect(given.size).toBeGreaterThan(7);
    const missing = [...given].filter(
      (reason) => !reasons.some((row) => pieces(row).every((piece) => reason.includes(piece))),
    );
    expect(missing).toEqual([]);
  });

  it("has every error code, and no other, with its exit code", () => {
    const source = readFileSync(join(MESH, "src/errors.ts"), "utf8").replaceAll(/\/\*.*?\*\//gs, "");
    const union = /export type MeshErrorCode =(.*?);/s.exec(source)?.[1] ?? "";
    const codes = [...union.matchAll(/"([^"]+)"/g)].map(([, code = ""]) => code);
    const rows = [...page.matchAll(/^\| `([A-Z_]+)` \| (\d) \|/gm)];
    expect(rows.map(([, code]) => code).toSorted()).toEqual(codes.toSorted());
    for (const [, code = "", exitCode] of rows)
      expect([code, String(endingOf(new MeshError(code as MeshErrorCode, "")).exitCode)]).toEqual([
        code,
        exitCode,
      ]);
  });
});
