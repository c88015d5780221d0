import { createHash } from "node:crypto";
import { parseKey } from "../wireguard-key.js";

/**
 * The order in which two peers try relays. Both compute the same order (rendezvous hashing), so they meet at the first
 * relay that both have a path to. Each pair has another order, so pairs are spread over the relays.
 * @param one - a peer's public key; all keys are in base64
 * @returns the relays, the best first
 */
export function rankRelays(one: string, other: string, relays: readonly string[]): string[] {
  const keys = [parseKey(one), parseKey(other)].sort(Buffer.compare);
  const ranked = relays.map((relay) => {
    const hash = createHash("sha256");
    for (const key of [...keys, parseKey(relay)]) hash.update(key);
    return { relay, weight: hash.digest() };
  });
  return ranked.sort((a, b) => Buffer.compare(b.weight, a.weight)).map(({ relay }) => relay);
}
