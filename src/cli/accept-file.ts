import { readBytes } from "./files.js";
import type { People } from "./people.js";

/**
 * The addresses in a file: one a line, or a contact's name; what follows a # is a remark.
 * @throws Failure, which names the line
 */
export async function readAccepted(
  path: string,
  people: People,
  signal: AbortSignal,
): Promise<ReadonlySet<string>> {
  const lines = (await readBytes(path, signal)).toString("utf8").split("\n");
  return new Set(
    lines.flatMap((line, i) => {
      const text = line.replace(/#.*/, "").trim();
      return text === "" ? [] : [people.addressOf(text, `${path}:${i + 1}`)];
    }),
  );
}
