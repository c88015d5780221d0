import { parseAddress } from "./address.js";
import { readBytes } from "./files.js";

/** The addresses in a file: one a line; what follows a # is a remark. @throws Failure, which names the line */
export async function readAccepted(path: string, signal: AbortSignal): Promise<ReadonlySet<string>> {
  const lines = (await readBytes(path, signal)).toString("utf8").split("\n");
  return new Set(
    lines.flatMap((line, i) => {
      const text = line.replace(/#.*/, "").trim();
      return text === "" ? [] : [parseAddress(text, `${path}:${i + 1}`)];
    }),
  );
}
