import { randomBytes } from "node:crypto";
import type { Identity, Verify } from "../../src/index.js";
// The very functions that the package has built in.
import { noble } from "../../src/platform/noble.js";
import { platform } from "../../src/platform/node.js";
import { library, libsecp256k1 } from "../library.js";

/** The package's own cryptography, or libsecp256k1 in WebAssembly through the seam. */
export type Crypto = "built-in" | "libsecp256k1";

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

/** How many signatures are made or checked at once: as many as Node has threads for them. */
const AT_ONCE = 4;

/** A new identity with its way to verify. */
export async function makeSigner(crypto: Crypto): Promise<Signer> {
  const keys = library.Keypair.generate();
  if (crypto === "built-in") return { identity: keys, verify: platform.createVerify() };
  const identity = await libsecp256k1(keys);
  return { identity, verify: identity.verify };
}

/** The signatures of one message and its ACK, one after the other: how long, in ms. */
export async function signOneByOne(count: number, sizes: PacketSizes): Promise<number[]> {
  const samples: number[] = [];
  const { sign, verify, message, ack, publicKey } = await prepare("built-in", sizes);
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
  const { sign, verify, message, publicKey } = await prepare(crypto, sizes);
  let left = count;
  const startedAt = performance.now();
  const work = async (): Promise<void> => {
    while (left-- > 0) await verify(await sign(message), message, publicKey);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return performance.now() - startedAt;
}

/** Verifies as a page does, by noble and by libsecp256k1: how long each took for so many, in ms. */
export async function verifyInPage(count: number, sizes: PacketSizes): Promise<[number, number]> {
  const { sign, verify, message, publicKey } = await prepare("libsecp256k1", sizes);
  const signature = await sign(message);
  const timeOf = (check: Verify): number => {
    const startedAt = performance.now();
    for (let i = 0; i < count; i++)
      if (check(signature, message, publicKey) !== true) throw new Error("a signature does not hold");
    return performance.now() - startedAt;
  };
  return [timeOf(noble.createVerify()), timeOf(verify)];
}

interface Prepared {
  readonly sign: Identity["sign"];
  readonly verify: Verify;
  readonly message: Uint8Array;
  readonly ack: Uint8Array;
  readonly publicKey: Uint8Array;
}

async function prepare(crypto: Crypto, sizes: PacketSizes): Promise<Prepared> {
  const { identity, verify } = await makeSigner(crypto);
  return {
    sign: (part) => identity.sign(part),
    verify,
    message: randomBytes(sizes.message),
    ack: randomBytes(sizes.ack),
    publicKey: identity.publicKey,
  };
}
