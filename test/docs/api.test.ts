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
  'import { linkLocalAddress, Mesh, MeshError, pairOf, parseWg } from "sidewire-mesh";',
  "declare const privateKey: Uint8Array, publicKey: Uint8Array, createIt: () => void;",
].join(" ");

const GIVEN_TO_WEBRTC = [
  'import { Keypair, Router } from "sidewire"; import { accept, connect, isSignal, type Peer } from "sidewire/webrtc";',
  "declare const router: Router, address: string, peer: Peer;",
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

/** What is given, without the names that an example imports itself. */
function givenTo(page: string, own: ReadonlySet<string>): string {
  const given = page.startsWith("mesh/")
    ? GIVEN_TO_MESH
    : page.startsWith("src/webrtc/")
      ? GIVEN_TO_WEBRTC
      : GIVEN;
  return given.replaceAll(/\{ ([^}]*) \}/g, (_, names: string) => {
    const others = names.split(", ").filter((name) => !own.has(name.replace("type ", "")));
    return `{ ${others.join(", ")} }`;
  });
}

/** A block in braces, since an example may have names of its own for what is given. Its imports stand before it. */
function programOf(block: Block): Program {
  const importing = /^import\b.*?;$/gms;
  const imports = (block.text.match(importing) ?? []).map((text) => text.replaceAll("\n", " ")).join(" ");
  const given = givenTo(block.page, new Set(imports.match(/\w+/g)));
  const rest = block.text.replaceAll(importing, (text) => text.replaceAll(/[^\n]/g, ""));
  return {
    page: block.page,
    name: block.page,
    extension: "ts",
    blocks: [{ ...block, line: block.line - 1, text: `${imports} ${given} {\n${rest}\n}` }],
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

  it("have the types of the public API", { timeout: 300_000 }, () => {
    expect(typeErrors(examples.map(programOf))).toEqual([]);
  });
});
