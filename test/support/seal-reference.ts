import { createCipheriv, createDecipheriv, createECDH, createHash, ECDH, hkdfSync } from "node:crypto";
import { pathToFileURL } from "node:url";

/**
 * A second implementation of sealed messages, written from their format with `node:crypto` alone, so
 * that the library's own is held against something that it had no part in. As a script it prints
 * `test/vectors/sealed.json`:
 *
 *     npx tsx test/support/seal-reference.ts > test/vectors/sealed.json
 *
 * The format: ff 53 57 01 ‖ ephemeral public key (33) ‖ XChaCha20-Poly1305 of the padded text, tag last.
 * The padded text: length of the message (4, big-endian) ‖ message ‖ zeros, as long as Padmé says and
 * at least 256. Key (32) and nonce (24): HKDF-SHA-256 of the x coordinate of the shared point, with
 * salt ephemeral public key ‖ destination and info "sidewire seal 1". Associated data: source (33) ‖
 * destination (33) ‖ queue id (32) ‖ sequence number (4, big-endian).
 */

/** Where a message belongs; addresses and queue id in hex. */
export interface ReferenceContext {
  readonly source: string;
  readonly destination: string;
  readonly queueId: string;
  readonly sequence: number;
}

const HEAD = Buffer.from("ff535701", "hex");
const INFO = Buffer.from("sidewire seal 1", "latin1");
const EPHEMERAL_AT = 4;
const TEXT_AT = 37;
const TAG_BYTES = 16;

/** Seals with a given ephemeral secret key. */
export function referenceSeal(
  message: Uint8Array,
  context: ReferenceContext,
  ephemeralSecret: Uint8Array,
): Buffer {
  return sealText(textOf(message), context, ephemeralSecret);
}

/** Opens with the destination's secret key; undefined for what does not open. */
export function referenceOpen(
  sealed: Uint8Array,
  context: ReferenceContext,
  secretKey: Uint8Array,
): Buffer | undefined {
  const bytes = Buffer.from(sealed);
  if (bytes.length < TEXT_AT + 256 + TAG_BYTES || !bytes.subarray(0, EPHEMERAL_AT).equals(HEAD))
    return undefined;
  const ephemeral = bytes.subarray(EPHEMERAL_AT, TEXT_AT);
  try {
    const shared = ecdh(secretKey).computeSecret(ephemeral);
    const { key, nonce } = derive(shared, ephemeral, context);
    const decipher = createDecipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
    decipher.setAAD(associated(context), { plaintextLength: bytes.length - TEXT_AT - TAG_BYTES });
    decipher.setAuthTag(bytes.subarray(bytes.length - TAG_BYTES));
    const text = Buffer.concat([
      decipher.update(bytes.subarray(TEXT_AT, bytes.length - TAG_BYTES)),
      decipher.final(),
    ]);
    const length = text.readUInt32BE(0);
    return length + 4 > text.length ? undefined : text.subarray(4, 4 + length);
  } catch {
    return undefined;
  }
}

/** How long a text of this length is once it is padded, in whole numbers alone. */
export function referencePadded(length: number): number {
  if (length <= 256) return 256;
  // Padmé: the lower bits of the length are rounded up, all but as many as its exponent has bits.
  let exponent = 0;
  while (length >>> (exponent + 1) > 0) exponent++;
  let bits = 0;
  while (exponent >>> bits > 0) bits++;
  const mask = (1 << (exponent - bits)) - 1;
  return (length + mask) & ~mask;
}

function textOf(message: Uint8Array): Buffer {
  const text = Buffer.alloc(referencePadded(4 + message.length));
  text.writeUInt32BE(message.length, 0);
  text.set(message, 4);
  return text;
}

function sealText(
  text: Buffer,
  context: ReferenceContext,
  ephemeralSecret: Uint8Array,
  changedData: Partial<ReferenceContext> = {},
): Buffer {
  const pair = ecdh(ephemeralSecret);
  const ephemeral = pair.getPublicKey(null, "compressed");
  const shared = pair.computeSecret(Buffer.from(context.destination, "hex"));
  const { key, nonce } = derive(shared, ephemeral, context);
  const cipher = createCipheriv("chacha20-poly1305", key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(associated({ ...context, ...changedData }), { plaintextLength: text.length });
  const encrypted = Buffer.concat([cipher.update(text), cipher.final()]);
  return Buffer.concat([HEAD, ephemeral, encrypted, cipher.getAuthTag()]);
}

function ecdh(secretKey: Uint8Array): ECDH {
  const pair = createECDH("secp256k1");
  pair.setPrivateKey(Buffer.from(secretKey));
  return pair;
}

/** Key and 12-byte nonce of ChaCha20-Poly1305, by way of XChaCha20's. */
function derive(
  shared: Buffer,
  ephemeral: Buffer,
  { destination }: ReferenceContext,
): { key: Buffer; nonce: Buffer } {
  const salt = Buffer.concat([ephemeral, Buffer.from(destination, "hex")]);
  const derived = Buffer.from(hkdfSync("sha256", shared, salt, INFO, 56));
  const key = hchacha20(derived.subarray(0, 32), derived.subarray(32, 48));
  return { key, nonce: Buffer.concat([Buffer.alloc(4), derived.subarray(48, 56)]) };
}

function associated({ source, destination, queueId, sequence }: ReferenceContext): Buffer {
  const place = Buffer.alloc(4);
  place.writeUInt32BE(sequence, 0);
  return Buffer.concat([...[source, destination, queueId].map((hex) => Buffer.from(hex, "hex")), place]);
}

/** The subkey of XChaCha20 (draft-irtf-cfrg-xchacha, section 2.2): 32 bytes of key, 16 of nonce. */
export function hchacha20(key: Buffer, nonce: Buffer): Buffer {
  const state = new Uint32Array(16);
  const input = Buffer.concat([Buffer.from("expand 32-byte k", "latin1"), key, nonce]);
  for (let i = 0; i < 16; i++) state[i] = input.readUInt32LE(4 * i);
  for (let round = 0; round < 10; round++) {
    for (const [a, b, c, d] of [...COLUMNS, ...DIAGONALS]) quarterRound(state, a, b, c, d);
  }
  const out = Buffer.alloc(32);
  for (const [i, word] of [...state.subarray(0, 4), ...state.subarray(12)].entries())
    out.writeUInt32LE(word, 4 * i);
  return out;
}

type Quarter = readonly [number, number, number, number];

const COLUMNS: readonly Quarter[] = [0, 1, 2, 3].map((i) => [i, 4 + i, 8 + i, 12 + i]);
const DIAGONALS: readonly Quarter[] = [
  [0, 5, 10, 15],
  [1, 6, 11, 12],
  [2, 7, 8, 13],
  [3, 4, 9, 14],
];

function quarterRound(state: Uint32Array, a: number, b: number, c: number, d: number): void {
  const mix = (to: number, from: number, into: number, bits: number): void => {
    state[to] = (state[to] ?? 0) + (state[from] ?? 0);
    const word = (state[into] ?? 0) ^ (state[to] ?? 0);
    state[into] = (word << bits) | (word >>> (32 - bits));
  };
  mix(a, b, d, 16);
  mix(c, d, b, 12);
  mix(a, b, d, 8);
  mix(c, d, b, 7);
}

/** The message of the vectors that only name its length: byte i is 7 i + 3 modulo 256. */
export function patternOf(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => 7 * i + 3);
}

/** Numbers that look random and are the same each time: the SHA-256 of a name. */
function bytesOf(name: string): Buffer {
  return createHash("sha256").update(`sidewire sealed vectors: ${name}`).digest();
}

function publicKeyOf(secretKey: Uint8Array): string {
  return ecdh(secretKey).getPublicKey("hex", "compressed");
}

/** The other point with the same x coordinate. */
function mirrored(publicKey: Buffer): Buffer {
  return Buffer.concat([Buffer.of((publicKey[0] ?? 0) ^ 1), publicKey.subarray(1)]);
}

function isOnCurve(publicKey: Buffer): boolean {
  try {
    ECDH.convertKey(publicKey, "secp256k1");
    return true;
  } catch {
    return false;
  }
}

/** The vectors: what `seal` makes, what opens though `seal` would not make it, and what must not open. */
function vectors(): object {
  const secret = bytesOf("destination");
  const destination = publicKeyOf(secret);
  const context: ReferenceContext = {
    source: publicKeyOf(bytesOf("source")),
    destination,
    queueId: bytesOf("queue").toString("hex"),
    sequence: 7,
  };
  const hello = Buffer.from("hello");
  const ephemeral = bytesOf("ephemeral");
  const sealed = referenceSeal(hello, context, ephemeral);

  const good = (name: string, message: Uint8Array, changes: Partial<ReferenceContext> = {}): object => {
    const its = { ...context, ...changes };
    const ephemeralSecret = bytesOf(`ephemeral of ${name}`);
    const bytes = referenceSeal(message, its, ephemeralSecret);
    const isLong = message.length > 1000;
    return {
      name,
      ...its,
      ephemeralSecret: ephemeralSecret.toString("hex"),
      ...(isLong ? { messageLength: message.length } : { message: Buffer.from(message).toString("hex") }),
      sealedLength: bytes.length,
      ...(isLong
        ? { sealedSha256: createHash("sha256").update(bytes).digest("hex") }
        : { sealed: bytes.toString("hex") }),
    };
  };
  const opens = (why: string, message: Buffer, bytes: Buffer): object => ({
    why,
    ...context,
    message: message.toString("hex"),
    sealed: bytes.toString("hex"),
  });
  const bad = (why: string, bytes: Buffer, changes: Partial<ReferenceContext> = {}): object => ({
    why,
    ...context,
    ...changes,
    sealed: bytes.toString("hex"),
  });
  const withByte = (at: number, change: (byte: number) => number): Buffer => {
    const copy = Buffer.from(sealed);
    const index = at < 0 ? copy.length + at : at;
    copy[index] = change(copy[index] ?? 0);
    return copy;
  };
  const flipped = (at: number): Buffer => withByte(at, (byte) => byte ^ 1);
  const withEphemeral = (publicKey: Buffer): Buffer =>
    Buffer.concat([HEAD, publicKey, sealed.subarray(TEXT_AT)]);
  const withLength = (length: number): Buffer => {
    const text = textOf(hello);
    text.writeUInt32BE(length, 0);
    return sealText(text, context, ephemeral);
  };
  const offCurve = Array.from({ length: 64 }, (_, i) =>
    Buffer.concat([Buffer.of(2), bytesOf(`off curve ${i}`)]),
  ).find((point) => !isOnCurve(point));
  if (offCurve === undefined) throw new Error("64 points, all on the curve");

  const dirty = textOf(hello).fill(0xaa, 9);
  const longer = Buffer.concat([textOf(hello), Buffer.alloc(100)]);
  const n = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
  const last = Buffer.from((BigInt(`0x${n}`) - 1n).toString(16), "hex");

  return {
    about:
      "Sealed messages, made by test/support/seal-reference.ts. Where only messageLength is given, byte i of the message is 7 i + 3 modulo 256.",
    destinationSecret: secret.toString("hex"),
    good: [
      good("nothing", Buffer.alloc(0)),
      good("one byte", Buffer.of(0)),
      good("a text", Buffer.from("größer als ASCII: ✓")),
      good("a message that looks sealed", sealed.subarray(0, 100)),
      good("251 bytes, one less than the least padding holds", patternOf(251)),
      good("252 bytes, the most that the least padding holds", patternOf(252)),
      good("253 bytes, one more", patternOf(253)),
      good("268 bytes, the next step exactly", patternOf(268)),
      good("269 bytes, one more than that", patternOf(269)),
      good("508 bytes, a power of two with the length", patternOf(508)),
      good("509 bytes, one more than that", patternOf(509)),
      good("1000 bytes", patternOf(1000)),
      good("65 532 bytes, a power of two with the length", patternOf(65_532)),
      good("65 536 bytes", patternOf(65_536)),
      good("1 000 000 bytes", patternOf(1_000_000)),
      good("the first place of a queue", hello, { sequence: 0 }),
      good("the last place of a queue", hello, { sequence: 0xffff_ffff }),
      good("a queue id of ones", hello, { queueId: "ff".repeat(32) }),
      good("to oneself", hello, { source: destination }),
      good("from the generator", hello, { source: publicKeyOf(Buffer.from("1".padStart(64, "0"), "hex")) }),
      good("from its mirror image", hello, { source: publicKeyOf(last) }),
    ],
    opens: [
      opens("padding that is not zeros", hello, sealText(dirty, context, ephemeral)),
      opens("more padding than Padmé asks for", hello, sealText(longer, context, ephemeral)),
      opens("a length that takes in the padding", textOf(hello).subarray(4), withLength(252)),
    ],
    bad: [
      bad("in a packet of another source", sealed, { source: publicKeyOf(bytesOf("another")) }),
      bad("in a packet of the source's mirror image", sealed, {
        source: mirrored(Buffer.from(context.source, "hex")).toString("hex"),
      }),
      bad("in another queue", sealed, { queueId: bytesOf("another queue").toString("hex") }),
      bad("in another place of the queue", sealed, { sequence: 8 }),
      bad(
        "sealed for another key",
        referenceSeal(hello, { ...context, destination: publicKeyOf(bytesOf("another")) }, ephemeral),
      ),
      bad(
        "associated data that names another destination",
        sealText(textOf(hello), context, ephemeral, { destination: context.source }),
      ),
      bad("a bit of the tag", flipped(-1)),
      bad("a bit of the text", flipped(TEXT_AT)),
      bad("a bit of the padding", flipped(-TAG_BYTES - 1)),
      bad("a bit of the ephemeral key", flipped(TEXT_AT - 1)),
      bad(
        "the ephemeral key's mirror image",
        withEphemeral(mirrored(sealed.subarray(EPHEMERAL_AT, TEXT_AT))),
      ),
      bad("an ephemeral key off the curve", withEphemeral(offCurve)),
      bad("an ephemeral key outside the field", withEphemeral(Buffer.alloc(33, 0xff).fill(2, 0, 1))),
      bad("an ephemeral key of zeros", withEphemeral(Buffer.alloc(33))),
      bad(
        "an ephemeral key with the prefix of an uncompressed one",
        withByte(EPHEMERAL_AT, () => 4),
      ),
      bad("the destination's own key as the ephemeral one", withEphemeral(Buffer.from(destination, "hex"))),
      bad("the marker's first byte", flipped(0)),
      bad(
        "another version in the marker",
        withByte(3, () => 2),
      ),
      bad("one byte less", sealed.subarray(0, -1)),
      bad("one byte more", Buffer.concat([sealed, Buffer.of(0)])),
      bad("no tag", sealed.subarray(0, -TAG_BYTES)),
      bad("no text", sealed.subarray(0, TEXT_AT)),
      bad("a marker alone", HEAD),
      bad("nothing", Buffer.alloc(0)),
      bad(
        "a text shorter than the least padding",
        sealText(textOf(hello).subarray(0, 240), context, ephemeral),
      ),
      bad("a length one larger than the text", withLength(253)),
      bad("the largest length there is", withLength(0xffff_ffff)),
    ],
  };
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  console.log(JSON.stringify(vectors(), undefined, 1));
}
