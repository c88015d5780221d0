import type { Table } from "./table.js";

/**
 * Puts tables where a document marks their places: between `<!-- table NAME -->` and `<!-- end -->`.
 * @throws Error when a table has no place, or a place no table
 */
export function withTables(text: string, tables: readonly Table[]): string {
  const missing = new Map(tables.map((table) => [table.name, table]));
  const filled = text.replaceAll(
    /(<!-- table ([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, start: string, name: string, end: string) => {
      const table = missing.get(name);
      if (table === undefined) throw new Error(`no table ${name}, or twice`);
      missing.delete(name);
      return `${start}**${table.title}**\n\n${table.markdown}\n${end}`;
    },
  );
  if (missing.size > 0) throw new Error(`no place for ${[...missing.keys()].join(", ")}`);
  return filled;
}
