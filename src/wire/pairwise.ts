import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { Point, utils } from "@noble/secp256k1";
import { platform } from "#platform";
import { check, viewOf } from "../base/schema.js";
import { type Identity, identityAddress, parseAddress } from "./identity.js";

/** Binds the tweaks to this use of the shared secret. */
const SALT: Uint8Array = utf8ToBytes("sidewire pairwise 1");

const SHARED_BYTES = 32;
/** Half as many again as a key has: reduced to one, they leave no bias (FIPS 186-5, A.4.1). */
const SEED_BYTES = 48;

/** The two addresses that two peers have for each other alone. */
export interface Pairwise {
  /** Signs and opens as {@link ownAddress}. */
  readonly identity: Identity;
  /** Where this side listens for the peer, and what it signs as; 66 hex characters. */
  readonly ownAddress: string;
  /** Where the peer listens for this side; 66 hex characters. */
  readonly remoteAddress: string;
}

/**
 * The two addresses that two peers have for each other alone. Both sides compute them from their own identity and the
 * other's address, without a message. Nobody else can compute them, or link them to the addresses they come from.
 *
 * Each pairwise key is the peer's own key plus a number that only the two know, as in BIP 32 and BIP 47. So only its
 * owner can sign with it: the other side knows the number, and not the key. Whoever learns a pairwise secret key and
 * knows the number has the own secret key: keep it as safe.
 *
 * @param identity - needs `sharedSecret` and `tweaked`; a {@link Keypair} has both
 * @param address - the peer's address, in hex or bech32m
 * @throws {@link InvalidInputError} `INVALID_KEY`, `INVALID_ADDRESS` (also for the own address)
 *
 * @example
 * ```ts
 * const { identity, remoteAddress } = await pairwise(keys, address);
 * const forBen = new Router(identity, { over: router, getTime: Date.now });
 * await forBen.start();
 * const pipe = await forBen.pipe(remoteAddress, { encrypt: true });
 * ```
 */
export async function pairwise(identity: Identity, address: string): Promise<Pairwise> {
  const own = identityAddress(identity);
  const peer = parseAddress(address);
  check(peer !== own, "INVALID_ADDRESS", "address", "another address than the own one");
  for (const name of ["sharedSecret", "tweaked"] as const)
    check(typeof identity[name] === "function", "INVALID_KEY", `identity.${name}`, "a function");
  const shared = viewOf(await identity.sharedSecret?.(hexToBytes(peer)));
  const isSecret = shared?.length === SHARED_BYTES;
  check(isSecret, "INVALID_KEY", "identity.sharedSecret", "a function that gives 32 bytes");
  const tweak = tweakOf(shared, own, peer);
  const ownAddress = tweakedAddress(own, tweak);
  const tweaked = await identity.tweaked?.(tweak);
  const isOwn = tweaked !== undefined && identityAddress(tweaked) === ownAddress;
  check(isOwn, "INVALID_KEY", "identity.tweaked", "a function that adds the number to the secret key");
  return { identity: tweaked, ownAddress, remoteAddress: tweakedAddress(peer, tweakOf(shared, peer, own)) };
}

/** What is added to the key under which `from` speaks to `to`: 32 bytes, 1 to n - 1. */
function tweakOf(shared: Uint8Array, from: string, to: string): Uint8Array {
  const info = concatBytes(hexToBytes(from), hexToBytes(to));
  return utils.randomSecretKey(platform.hkdf(shared, SALT, info, SEED_BYTES));
}

function tweakedAddress(address: string, tweak: Uint8Array): string {
  const added = Point.BASE.multiply(BigInt(`0x${bytesToHex(tweak)}`));
  return Point.fromHex(address).add(added).toHex(true);
}
