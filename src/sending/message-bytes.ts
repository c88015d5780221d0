import { utf8ToBytes } from "@noble/hashes/utils.js";
import { NoAckError, SidewireError } from "../base/errors.js";
import { check, got, viewOf } from "../base/schema.js";
import type { Receipt } from "../message.js";
import type { Settings } from "../options.js";

/**
 * The bytes of a message, as a copy: the caller may change its array while the message waits.
 * @throws {@link InvalidInputError} `INVALID_OPTION`; {@link SidewireError} `MESSAGE_TOO_LARGE`
 */
export function messageOf(data: unknown, { maxMessageBytes }: Settings): Uint8Array {
  const bytes = typeof data === "string" ? utf8ToBytes(data) : viewOf(data);
  check(bytes !== undefined, "INVALID_OPTION", "data", "a string or a Uint8Array", got(data));
  if (bytes.length > maxMessageBytes) {
    throw new SidewireError(
      "MESSAGE_TOO_LARGE",
      `${bytes.length} bytes, at most ${maxMessageBytes} can be sent`,
    );
  }
  return bytes.slice();
}

/** The number of acknowledged bytes; 0 when no ACK came. */
export async function bytesOrZero(delivering: Promise<Receipt>): Promise<number> {
  try {
    return (await delivering).bytes;
  } catch (error) {
    if (error instanceof NoAckError) return 0;
    throw error;
  }
}
