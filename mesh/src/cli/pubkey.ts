import { formatKey, parseKey, publicKeyOf } from "../wireguard-key.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { aborted } from "./interrupt.js";

/** The maximum number of bytes that are read. Every key is shorter. */
const MAX_BYTES = 256;

/** Prints the public key of the private key on stdin, as `wg pubkey` does. */
export async function pubkey({ output, signal }: Context): Promise<ExitCode> {
  const text = await Promise.race([readStart(process.stdin), aborted(signal)]);
  signal.throwIfAborted();
  const publicKey = formatKey(publicKeyOf(parseKey((text ?? "").trim(), "the private key on stdin")));
  await output.result({ publicKey }, () => publicKey);
  return 0;
}

async function readStart(stream: NodeJS.ReadStream): Promise<string> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of stream) {
    parts.push(part);
    length += part.length;
    if (length > MAX_BYTES) break;
  }
  return Buffer.concat(parts).toString("utf8");
}
