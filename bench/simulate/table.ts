import { markdownTable } from "markdown-table";

/** A table with its name in the document and its title on the terminal. */
export interface Table {
  readonly name: string;
  readonly title: string;
  readonly markdown: string;
}

/** Every column flush right: nearly all are numbers. */
export function table(
  name: string,
  title: string,
  head: readonly string[],
  rows: readonly (readonly string[])[],
): Table {
  return { name, title, markdown: markdownTable([head, ...rows], { align: head.map(() => "r") }) };
}
