import type { Readable } from "node:stream";

const NEWLINE = 0x0a;

/**
 * The lines of a stream, without their line breaks. A last line without a line break is left out.
 * @throws RangeError when a line is longer than `maxBytes`, before the whole line is in memory
 */
export async function* linesOf(stream: Readable, maxBytes: number): AsyncGenerator<string> {
  let parts: Buffer[] = [];
  let length = 0;
  for await (const chunk of stream) {
    let rest: Buffer = chunk;
    for (let end = rest.indexOf(NEWLINE); end >= 0; end = rest.indexOf(NEWLINE)) {
      if (length + end > maxBytes) throw new RangeError("the line is too long");
      const line = Buffer.concat([...parts, rest.subarray(0, end)]).toString("utf8");
      parts = [];
      length = 0;
      rest = rest.subarray(end + 1);
      yield line;
    }
    length += rest.length;
    if (length > maxBytes) throw new RangeError("the line is too long");
    if (rest.length > 0) parts.push(rest);
  }
}
