import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type Block, parsePage, ROOT } from "./pages.js";
import { type Program, typeErrors } from "./programs.js";

/** What the examples of a package take as given, on one line so that theirs keep their numbers. */
const GIVEN = [
  'import { AppPacket, type BrokerPool, brokerScore, defaultBrokers, formatAddress, Keypair, MessageType, parseAddress, pairwise, parseBrokerPool, rankBrokers, Router, SidewireError, type SmartPipe } from "sidewire";',
  "declare const router: Router, pipe: SmartPipe, keys: Keypair, address: string, retryLater: () => void;",
].join(" ");

const GIVEN_TO_MESH = [
  'import { Mesh, MeshError, linkLocalAddress, pairOf } from "sidewire-mesh";',
  "declare const privateKey: Uint8Array, publicKey: Uint8Array, createIt: () => void;",
].join(" ");

/** The examples in the comments of a source file. */
function examplesIn(file: string): Block[] {
  const source = readFileSync(join(ROOT, file), "utf8");
  return [...source.matchAll(/^ *\/\*\*$.*?\*\/$/gms)].flatMap(({ 0: comment, index }) => {
    const firstLine = source.slice(0, index).split("\n").length;
    const text = comment.replaceAll(/^ *(\/\*\*| \*\/| \* ?)/gm, "");
    return parsePage(file, text).blocks.map((block) => ({ ...block, line: block.line + firstLine - 1 }));
  });
}

/** A block in braces, since an example may have names of its own for what is given. */
function programOf(block: Block): Program {
  const given = block.page.startsWith("mesh/") ? GIVEN_TO_MESH : GIVEN;
  const text = /^import\b/m.test(block.text) ? `\n${block.text}` : `${given} {\n${block.text}\n}`;
  return {
    page: block.page,
    name: block.page,
    extension: "ts",
    blocks: [{ ...block, line: block.line - 1, text }],
  };
}

describe("the examples in the API documentation", () => {
  const examples = ["src", "mesh/src"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => name.endsWith(".ts"))
      .flatMap((name) => examplesIn(`${folder}/${name}`))
      // A format on the wire.
      .filter(({ language }) => language !== "text"),
  );

  it("are there", () => {
    expect(examples.length).toBeGreaterThan(10);
    expect(examples.map(({ page }) => page)).toContain("mesh/src/pair.ts");
    expect(examples.filter(({ language }) => language !== "ts")).toEqual([]);
  });

  it("have the types of the public API", { timeout: 60_000 }, () => {
    expect(typeErrors(examples.map(programOf))).toEqual([]);
  });
});
