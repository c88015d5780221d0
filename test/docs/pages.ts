import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import GithubSlugger from "github-slugger";
import type { Nodes, Parents } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { visit } from "unist-util-visit";

export const ROOT: string = join(import.meta.dirname, "../..");

/** A fenced block of code. */
export interface Block {
  readonly page: string;
  /** Where its first line of code stands, counted from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** Why it cannot be run: `<!-- not run: … -->` before it. */
  readonly excuse: string | undefined;
}

/** A Markdown file of the project. */
export interface Page {
  /** From the project's root. */
  readonly path: string;
  readonly blocks: readonly Block[];
  readonly links: readonly { readonly url: string; readonly line: number }[];
  /** What a link may name behind `#`. */
  readonly anchors: ReadonlySet<string>;
  /** Code within a line, such as names of files and of error codes. */
  readonly inlineCode: ReadonlySet<string>;
}

/** Every Markdown file that is, or may become, part of the project. */
export function readPages(): Page[] {
  return pathsIn("")
    .filter((path) => path.endsWith(".md"))
    .toSorted()
    .map((path) => parsePage(path, readFileSync(join(ROOT, path), "utf8")));
}

/** Folders that are not part of it, from its root. */
const IGNORED: readonly string[] = [".git/", ...readFileSync(join(ROOT, ".gitignore"), "utf8").split("\n")];

/** Every file below a folder, whose name ends with `/` if it has one. */
function pathsIn(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder + entry.name;
    if (!entry.isDirectory()) return [path];
    return IGNORED.includes(`${path}/`) ? [] : pathsIn(`${path}/`);
  });
}

/** Where a block stands, for people. */
export function placeOf({ page, line }: Block): string {
  return `${page}:${line}`;
}

export function parsePage(path: string, text: string): Page {
  const blocks: Block[] = [];
  const links: { url: string; line: number }[] = [];
  const anchors = new Set<string>();
  const inlineCode = new Set<string>();
  const slugger = new GithubSlugger();
  visit(fromMarkdown(text), (node, index, parent) => {
    const line = node.position?.start.line ?? 0;
    if (node.type === "code") {
      const excuse = excuseBefore(parent, index);
      blocks.push({ page: path, line: line + 1, language: node.lang ?? "", text: node.value, excuse });
    } else if (node.type === "link" || node.type === "image" || node.type === "definition") {
      links.push({ url: node.url, line });
    } else if (node.type === "html") {
      for (const [, url = ""] of node.value.matchAll(/\b(?:src|srcset|href)="([^"]*)"/g))
        links.push({ url, line });
    } else if (node.type === "heading") {
      anchors.add(slugger.slug(textOf(node)));
    } else if (node.type === "inlineCode") {
      inlineCode.add(node.value);
    }
  });
  return { path, blocks, links, anchors, inlineCode };
}

function excuseBefore(parent: Parents | undefined, index: number | undefined): string | undefined {
  const before = index === undefined ? undefined : parent?.children[index - 1];
  if (before?.type !== "html") return undefined;
  return /^<!-- not run: (.+?) -->$/s.exec(before.value.trim())?.[1];
}

function textOf(node: Nodes): string {
  if ("value" in node) return node.value;
  return "children" in node ? node.children.map(textOf).join("") : "";
}
