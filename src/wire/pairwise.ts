import { bytesToHex, concatBytes, hexToBytes, utf8ToBytes } from "@noble/hashes/utils.js";
import { Point, utils } from "@noble/secp256k1";
import { platform } from "#platform";
import { check, viewOf } from "../base/schema.js";
import { type Identity, identityAddress, parseAddress } from "./identity.js";

/** The salt separates this use of the shared secret from all other uses. */
const SALT: Uint8Array = utf8ToBytes("sidewire pairwise 1");

const SHARED_BYTES = 32;
/** A key has 32 bytes. With 16 more, the reduction to a key leaves no bias that matters (FIPS 186-5, A.4.1). */
const SEED_BYTES = 48;

/** The two addresses that two peers use for each other only, from one peer's view. */
export interface Pairwise {
  /** The identity of {@link ownAddress}, for a router with this address. */
  readonly identity: Identity;
  /** The address of this side: this side listens there for the peer, and signs with its key. 66 hex characters. */
  readonly ownAddress: string;
  /** The address of the peer: the peer listens there for this side. 66 hex characters. */
  readonly remoteAddress: string;
}

/**
 * Computes the two addresses that two peers use for each other only. Each side computes both addresses from its own
 * identity and the other side's address, without a message. Nobody else can compute the pairwise addresses, or link
 * them to the peers' own addresses.
 *
 * Each pairwise key is a peer's own key plus a number that only the two peers know, as in BIP 32 and BIP 47. The other
 * side knows the number but not the key, so only the owner can sign with a pairwise key. Keep a pairwise secret key as
 * safe as the own secret key: anybody with the pairwise secret key and the number can compute the own secret key.
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

/** The number that is added to the key of `from`, for its messages to `to`: 32 bytes, from 1 to n - 1. */
function tweakOf(shared: Uint8Array, from: string, to: string): Uint8Array {
  const info = concatBytes(hexToBytes(from), hexToBytes(to));
  return utils.randomSecretKey(platform.hkdf(shared, SALT, info, SEED_BYTES));
}

function tweakedAddress(address: string, tweak: Uint8Array): string {
  const added = Point.BASE.multiply(BigInt(`0x${bytesToHex(tweak)}`));
  return Point.fromHex(address).add(added).toHex(true);
}
