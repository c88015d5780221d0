import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Nodes } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { describe, expect, it } from "vitest";
import { ROOT, readPages } from "./pages.js";

/** The words of the glossary that a newcomer stumbles over, each as it stands in a text. */
const WORDS = new Map<string, RegExp>([
  ["address", /(?<!\b(?:IP|IPv6|IPv4|local|loopback|private|time)\s)\baddress(?:es)?\b(?! famil)/i],
  ["hint", /\bhints?\b/i],
  ["inbound", /\binbound\b/i],
  ["reserve", /\breserve\b/i],
  ["widen", /\bwiden(?:s|ed|ing)?\b/i],
  ["queue", /\bqueues?\b/i],
  ["gap", /\bgaps?\b/i],
  ["seal", /\b(?:seal|seals|sealed|sealing)\b/i],
  ["skew", /\bskew\b/i],
]);

/** The pages of the library that people read from the top. A test writes all of `faults.md`. */
const PAGES = readPages().filter(
  ({ path }) => path === "README.md" || /^docs\/(?!glossary|README|faults)[\w-]+\.md$/.test(path),
);

/** Tables that tests and simulations write. */
const GENERATED = /^<!-- (?:facts|figures|table)\b.*?^<!-- end/gms;

/** The texts and links of a page in their order. Headings are passed over, and what a link says. */
function* piecesOf(node: Nodes): Generator<Nodes> {
  if (node.type === "text" || node.type === "link") yield node;
  else if (node.type !== "heading" && "children" in node)
    for (const child of node.children) yield* piecesOf(child);
}

/** The first piece that has a word, or a link to its entry; undefined where there is none. */
function firstUse(tree: Nodes, word: string, form: RegExp): Nodes | undefined {
  for (const piece of piecesOf(tree)) {
    if (piece.type === "text" && form.test(piece.value)) return piece;
    if (piece.type === "link" && piece.url.endsWith(`glossary.md#${word}`)) return piece;
  }
  return undefined;
}

describe("the glossary", () => {
  const glossary = readPages().find(({ path }) => path === "docs/glossary.md");

  it("has every word that is linked to it", () => {
    expect([...WORDS.keys()].filter((word) => !glossary?.anchors.has(word))).toEqual([]);
  });

  it.each(PAGES.map(({ path }) => path))("%s: links each of its words where it comes first", (path) => {
    const text = readFileSync(join(ROOT, path), "utf8");
    const tree = fromMarkdown(text.replace(GENERATED, (table) => table.replace(/[^\n]/g, " ")));
    const unlinked = [...WORDS].flatMap(([word, form]) => {
      const use = firstUse(tree, word, form);
      return use?.type === "text" ? [`${path}:${use.position?.start.line} ${word}`] : [];
    });
    expect(unlinked).toEqual([]);
  });
});
