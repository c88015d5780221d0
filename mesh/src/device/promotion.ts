import { readFile, writeFile } from "node:fs/promises";

/**
 * Does work during which the kernel keeps the other addresses of a network when the first of them is removed. Otherwise the
 * route into the tunnel would be missing for a moment, and packets for peers would leave in plaintext. Where the setting
 * cannot be written, as in most containers, the work is done all the same.
 * @param folder - for tests. Default: the kernel's settings of all interfaces
 */
export async function withPromotion<T>(
  name: string,
  work: () => Promise<T>,
  folder = "/proc/sys/net/ipv4/conf",
): Promise<T> {
  const path = `${folder}/${name}/promote_secondaries`;
  const before = await readFile(path, "utf8").catch(() => undefined);
  const set = async (value: string): Promise<void> => {
    if (before !== undefined && before.trim() !== "1") await writeFile(path, value).catch(() => {});
  };
  await set("1");
  try {
    return await work();
  } finally {
    await set(before ?? "");
  }
}
