import type { Readable, Writable } from "node:stream";

const LINE_BREAK = 10;

/** A line that is longer is passed on in pieces: memory has an end. */
const MAX_HELD: number = 64 * 1024;

/**
 * Passes on what one of several programs prints: whole lines, so that no two are mixed up, and the last one with its line
 * break even if the program left it out. Resolves once all of it is written.
 */
export async function passOnLines(from: Readable, to: Writable): Promise<void> {
  let held: Buffer = Buffer.alloc(0);
  const write = (bytes: Uint8Array): Promise<void> =>
    // Where nobody reads any more, the command ends by itself.
    new Promise((resolve) => to.write(bytes, () => resolve()));
  try {
    for await (const chunk of from) {
      // A stream without an encoding gives buffers.
      held = Buffer.concat([held, chunk as Buffer]);
      const end = held.length > MAX_HELD ? held.length : held.lastIndexOf(LINE_BREAK) + 1;
      if (end === 0) continue;
      const lines = held.subarray(0, end);
      held = held.subarray(end);
      await write(lines);
    }
  } catch {
    // What it printed before it was killed is enough.
  }
  if (held.length > 0) await write(Buffer.concat([held, Buffer.of(LINE_BREAK)]));
}
