import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * Makes a folder and its missing parents. mkdir's own `recursive` is not used: it never ends in a folder where nothing
 * can be made, such as /proc.
 *
 * @param mode - the mode of each new folder
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
