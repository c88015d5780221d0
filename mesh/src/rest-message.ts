/** The messages of two hosts before their tunnel ends: a question, and an agreement. */
export type RestMessage = "ask" | "agree";

/** The first byte. An announce has 1 there; 2 to 4 are messages about relays, rosters and keys. */
const KIND = 5;

const TYPES = { ask: 1, agree: 2 } as const;

/** Whether a message is one of these. */
export function isRestMessage(bytes: Uint8Array): boolean {
  return bytes[0] === KIND;
}

/** Writes `kind 1, type 1`. */
export function encodeRestMessage(message: RestMessage): Uint8Array {
  return Uint8Array.of(KIND, TYPES[message]);
}

/** @returns undefined for other bytes, and for a message of a later version */
export function parseRestMessage(bytes: Uint8Array): RestMessage | undefined {
  if (!isRestMessage(bytes) || bytes.length !== 2) return undefined;
  if (bytes[1] === TYPES.ask) return "ask";
  return bytes[1] === TYPES.agree ? "agree" : undefined;
}
