/** The order of secp256k1. */
const N = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** A packet with the other signature that holds as well: s becomes n - s. */
export function twinOf(payload: Uint8Array): Uint8Array {
  const twin = Buffer.from(payload);
  const s = BigInt(`0x${twin.toString("hex", 65, 97)}`);
  twin.write((N - s).toString(16).padStart(64, "0"), 65, "hex");
  return twin;
}
