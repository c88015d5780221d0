import type { Readable, Writable } from "node:stream";

const LINE_BREAK = 10;

/** A longer line is passed on in pieces, to limit the memory. */
const MAX_HELD: number = 64 * 1024;

/**
 * Passes on the output of one of several programs in whole lines, so that lines of two programs are never mixed. A
 * missing last line break is added. Resolves when everything is written.
 */
export async function passOnLines(from: Readable, to: Writable): Promise<void> {
  let held: Buffer = Buffer.alloc(0);
  const write = (bytes: Uint8Array): Promise<void> =>
    // If nobody reads stdout any more, the interrupt ends the command.
    new Promise((resolve) => to.write(bytes, () => resolve()));
  try {
    for await (const chunk of from) {
      // A stream without an encoding yields buffers, so the cast is safe.
      held = Buffer.concat([held, chunk as Buffer]);
      const end = held.length > MAX_HELD ? held.length : held.lastIndexOf(LINE_BREAK) + 1;
      if (end === 0) continue;
      const lines = held.subarray(0, end);
      held = held.subarray(end);
      await write(lines);
    }
  } catch {
    // The output before the program was killed is passed on.
  }
  if (held.length > 0) await write(Buffer.concat([held, Buffer.of(LINE_BREAK)]));
}
