import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and those above it. Not by mkdir's own `recursive`, which tries for ever where nothing can
 * be made in a folder that is there: in /proc.
 *
 * @param mode - of each folder that is made
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  const make = async (): Promise<void> => {
    await mkdir(path, mode).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
  };
  try {
    await make();
  } catch (error) {
    const isMissing = error instanceof Error && "code" in error && error.code === "ENOENT";
    if (!isMissing || dirname(path) === path) throw error;
    await makeFolder(dirname(path), mode);
    await make();
  }
}
