import { randomBytes } from "node:crypto";
import { fstatSync } from "node:fs";
import { formatKey, KEY_BYTES } from "../wireguard-key.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";

/** Makes a private key, as `wg genkey` does. */
export async function keygen({ output }: Context): Promise<ExitCode> {
  if (isReadableByOthers()) output.warn("others can read this file: chmod 600 it, or set umask 077 before");
  const privateKey = formatKey(clamped(randomBytes(KEY_BYTES)));
  await output.result({ privateKey }, () => privateKey);
  return 0;
}

/**
 * Clears and sets the bits that X25519 ignores (RFC 7748, section 5), so that the text of a key is the same everywhere.
 */
function clamped(key: Uint8Array): Uint8Array {
  const [first = 0, last = 0] = [key[0], key[KEY_BYTES - 1]];
  key[0] = first & 248;
  key[KEY_BYTES - 1] = (last & 127) | 64;
  return key;
}

function isReadableByOthers(): boolean {
  try {
    const stats = fstatSync(1);
    return stats.isFile() && (stats.mode & 0o007) !== 0;
  } catch {
    return false;
  }
}
