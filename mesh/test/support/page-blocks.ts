import { readFileSync } from "node:fs";
import { type Block, parsePage } from "../../../test/docs/pages.js";

/** The blocks below a heading of a page of the mesh, up to the next heading of any level. */
export function blocksBelow(page: string, heading: string): readonly Block[] {
  const text = readFileSync(new URL(`../../${page}`, import.meta.url), "utf8");
  const [, rest] = text.split(new RegExp(`^#+ ${heading.replaceAll(/[()]/g, "\\$&")}$`, "m"));
  if (rest === undefined) throw new Error(`${page} has no heading ${heading}`);
  return parsePage(page, rest.split(/^#+ /m)[0] ?? "").blocks;
}

/** The blocks in one language, as texts. @throws Error when there is another number of them */
export function texts(blocks: readonly Block[], language: string, count: number): string[] {
  const found = blocks.filter((block) => block.language === language).map(({ text }) => text);
  if (found.length !== count) throw new Error(`${found.length} blocks of ${language}, and not ${count}`);
  return found;
}

/** The words of a line of output. What has digits or is a part of a key is different each time. */
export function wordsOf(line: string): string {
  return line
    .split(/\s+/)
    .filter((word) => !/[\d=…]/.test(word))
    .join(" ");
}
