/** What two hosts say before their tunnel ends: may it rest; yes, it rests now. */
export type RestMessage = "ask" | "agree";

/** An announce has its version 1 there; 2 to 4 are what is said of relays, rosters and keys. */
const KIND = 5;

const TYPES = { ask: 1, agree: 2 } as const;

/** Whether something told is one of these. */
export function isRestMessage(bytes: Uint8Array): boolean {
  return bytes[0] === KIND;
}

/** `kind 1, type 1`. */
export function encodeRestMessage(message: RestMessage): Uint8Array {
  return Uint8Array.of(KIND, TYPES[message]);
}

/** @returns undefined for what is none, or one of a later version */
export function parseRestMessage(bytes: Uint8Array): RestMessage | undefined {
  if (!isRestMessage(bytes) || bytes.length !== 2) return undefined;
  if (bytes[1] === TYPES.ask) return "ask";
  return bytes[1] === TYPES.agree ? "agree" : undefined;
}
