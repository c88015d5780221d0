import { readBytes } from "./files.js";
import type { People } from "./people.js";

/**
 * Reads the addresses in a file. Each line has an address or a contact's name. A # begins a comment.
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
