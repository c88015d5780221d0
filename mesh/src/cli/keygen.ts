import { fstatSync } from "node:fs";
import { formatKey, newPrivateKey } from "../wireguard-key.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

/** Makes a private key, as `wg genkey` does. */
export async function keygen({ output }: Context): Promise<ExitCode> {
  if (isReadableByOthers()) output.warn("others can read this file: chmod 600 it, or set umask 077 before");
  const privateKey = formatKey(newPrivateKey());
  await output.result({ privateKey }, () => privateKey);
  return 0;
}

function isReadableByOthers(): boolean {
  try {
    const stats = fstatSync(1);
    return stats.isFile() && (stats.mode & 0o007) !== 0;
  } catch {
    return false;
  }
}
