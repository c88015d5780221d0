import { createHash, randomBytes } from "node:crypto";
import type { Identity, Keypair, Verify } from "../../src/index.js";
// The very functions that the package has built in.
import { platform } from "../../src/platform/node.js";
import { library } from "../library.js";

/** The package's own cryptography, or the native `secp256k1` package through the seam. */
export type Crypto = "built-in" | "native";

/** What a router needs to sign and to verify. */
export interface Signer {
  readonly identity: Identity;
  readonly verify: Verify;
}

/** The sizes of a message and its ACK, bytes: of the packets, or of what is signed of them. */
export interface PacketSizes {
  readonly message: number;
  readonly ack: number;
}

/** The part of the native package that is used. */
interface NativeSecp256k1 {
  ecdsaSign(digest: Uint8Array, secretKey: Uint8Array): { signature: Uint8Array };
  ecdsaVerify(signature: Uint8Array, digest: Uint8Array, publicKey: Uint8Array): boolean;
  signatureNormalize(signature: Uint8Array): Uint8Array;
}

/** How many signatures are made or checked at once: as many as Node has threads for them. */
const AT_ONCE = 4;

const native: NativeSecp256k1 | undefined = await loadNative();

/** Whether the native package is installed and works. */
export function hasNative(): boolean {
  return native !== undefined;
}

/** A new identity with its way to verify. */
export function makeSigner(crypto: Crypto): Signer {
  const keys = library.Keypair.generate();
  if (crypto === "built-in") return { identity: keys, verify: platform.createVerify() };
  if (native === undefined) throw new Error("the native secp256k1 package is not installed");
  return nativeSigner(native, keys);
}

/** The signatures of one message and its ACK, one after the other: how long, in ms. */
export async function signOneByOne(count: number, sizes: PacketSizes): Promise<number[]> {
  const samples: number[] = [];
  const { sign, verify, message, ack, publicKey } = prepare("built-in", sizes);
  for (let i = 0; i < count; i++) {
    const startedAt = performance.now();
    for (const part of [message, ack]) {
      if (!(await verify(await sign(part), part, publicKey))) throw new Error("a signature does not hold");
    }
    samples.push(performance.now() - startedAt);
  }
  return samples;
}

/** One side's part of so many messages, a signature and a verification of each: how long in all, in ms. */
export async function signMany(count: number, sizes: PacketSizes, crypto: Crypto): Promise<number> {
  const { sign, verify, message, publicKey } = prepare(crypto, sizes);
  let left = count;
  const startedAt = performance.now();
  const work = async (): Promise<void> => {
    while (left-- > 0) await verify(await sign(message), message, publicKey);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return performance.now() - startedAt;
}

interface Prepared {
  readonly sign: Identity["sign"];
  readonly verify: Verify;
  readonly message: Uint8Array;
  readonly ack: Uint8Array;
  readonly publicKey: Uint8Array;
}

function prepare(crypto: Crypto, sizes: PacketSizes): Prepared {
  const { identity, verify } = makeSigner(crypto);
  return {
    sign: (part) => identity.sign(part),
    verify,
    message: randomBytes(sizes.message),
    ack: randomBytes(sizes.ack),
    publicKey: identity.publicKey,
  };
}

function nativeSigner(secp256k1: NativeSecp256k1, keys: Keypair): Signer {
  const { secretKey, publicKey } = keys;
  // It takes numbers of 32 bytes: the SHA-1 digest with zeros in front.
  const digestOf = (part: Uint8Array): Uint8Array => {
    const digest = new Uint8Array(32);
    digest.set(createHash("sha1").update(part).digest(), 12);
    return digest;
  };
  return {
    identity: { publicKey, sign: (part) => secp256k1.ecdsaSign(digestOf(part), secretKey).signature },
    verify: (signature, part, key) => {
      try {
        // It takes low s only.
        return secp256k1.ecdsaVerify(secp256k1.signatureNormalize(signature), digestOf(part), key);
      } catch {
        return false;
      }
    },
  };
}

/** The binding itself: the package's main file falls back to JavaScript in silence. */
async function loadNative(): Promise<NativeSecp256k1 | undefined> {
  const name: string = "secp256k1/bindings.js";
  try {
    const loaded: { readonly default: NativeSecp256k1 } = await import(name);
    return loaded.default;
  } catch {
    return undefined;
  }
}
