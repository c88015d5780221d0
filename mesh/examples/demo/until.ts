import type { LongRunning } from "../../lab/index.js";

/**
 * Waits until something is found in what a program writes.
 * @param otherwise - what did not happen, for the error
 */
export async function until<T>(
  program: LongRunning,
  find: () => T | undefined,
  timeoutMs: number,
  otherwise: string,
): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const found = find();
    if (found !== undefined) return found;
    const { length } = program.log;
    await program.wrote(new RegExp(`^[^]{${length + 1},}`), deadline - performance.now()).catch(() => {
      const end = program.log.slice(-200).trim();
      throw new Error(`${otherwise} within ${timeoutMs / 1000} s; last was said: ${end}`);
    });
  }
}
