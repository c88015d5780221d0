import * as z from "zod/mini";
import type { DeviceState } from "./state.js";

const endpointText: z.ZodMiniString = z.string().check(z.minLength(1), z.maxLength(100));
const seconds: z.ZodMiniNumber = z.int().check(z.minimum(0), z.maximum(0xffff));

const keyText: z.ZodMiniString = z.string().check(z.length(44));
const addressText: z.ZodMiniString = z.string().check(z.maxLength(50), z.regex(/^[\da-f.:]+\/\d+$/));

/** A peer as it was found: what is put back. */
export interface PeerRecord {
  readonly endpoint: string | null;
  readonly keepaliveS: number;
}

/** The link-local addresses that were added to an interface: each follows from a key. */
export interface AddedLinkLocals {
  /** The own one, as `ip` takes it; undefined when it was there. */
  readonly own?: string | undefined;
  /** Peers that got theirs among the allowed IPs, by public key, base64. */
  readonly peers: readonly string[];
}

/** A peer's allowed IPs, as `wg` takes them: all that it owns, in their order, and what of it WireGuard is not given. */
export interface WithheldRecord {
  readonly owned: readonly string[];
  readonly taken: readonly string[];
}

/** By public key, base64. */
export type WithheldRecords = Readonly<Record<string, WithheldRecord>>;

/** All that we changed on an interface, or may have made WireGuard change, and that is to be undone. */
export interface Changes {
  readonly version: 1;
  /** Which interface it was: one of the same name that was made since has nothing of ours. */
  readonly incarnation: string;
  /** We made the interface. */
  readonly isCreated: boolean;
  /** We made the nft table. */
  readonly hasTable: boolean;
  /** We added routes, which their origin tells. */
  readonly hasRoutes: boolean;
  /** By public key, base64. */
  readonly peers: Readonly<Record<string, PeerRecord>>;
  /** Peers that we added, by public key, base64. */
  readonly added?: readonly string[] | undefined;
  /** Addresses that we added to an interface that we did not make, as `ip` takes them. */
  readonly addresses?: readonly string[] | undefined;
  /** Link-local addresses that we added. */
  readonly linkLocals?: AddedLinkLocals | undefined;
  /** Allowed IPs that we took from peers for a while. */
  readonly withheld?: WithheldRecords | undefined;
}

export const changesSchema: z.ZodMiniType<Changes> = z.strictObject({
  version: z.literal(1),
  incarnation: z.string().check(z.maxLength(100)),
  isCreated: z.boolean(),
  hasTable: z.boolean(),
  // Written since 0.2.
  hasRoutes: z._default(z.boolean(), false),
  peers: z.record(
    z.string().check(z.length(44)),
    z.strictObject({ endpoint: z.nullable(endpointText), keepaliveS: seconds }),
  ),
  added: z.optional(z.array(keyText)),
  addresses: z.optional(z.array(addressText)),
  linkLocals: z.optional(z.strictObject({ own: z.optional(addressText), peers: z.array(keyText) })),
  withheld: z.optional(
    z.record(keyText, z.strictObject({ owned: z.array(addressText), taken: z.array(addressText) })),
  ),
});

export function noChanges(incarnation: string): Changes {
  const has = { isCreated: false, hasTable: false, hasRoutes: false };
  return { version: 1, incarnation, ...has, peers: {}, withheld: undefined };
}

/**
 * What is to be put back, after a look at what is there now: each peer is remembered as it was seen first. One that is
 * gone was removed by the user, and is forgotten.
 *
 * Endpoints are put back however they came to be others. WireGuard itself moves them as soon as a peer is reached, and
 * nothing tells that from a user's doing.
 * @returns the records, and whether they are others than before
 */
export function noteFound(
  records: Readonly<Record<string, PeerRecord>>,
  { peers }: DeviceState,
): { readonly peers: Readonly<Record<string, PeerRecord>>; readonly isChanged: boolean } {
  const isSame =
    peers.length === Object.keys(records).length &&
    peers.every(({ publicKey }) => records[publicKey] !== undefined);
  if (isSame) return { peers: records, isChanged: false };
  const found = peers.map(({ publicKey, endpointText, keepaliveS }) => [
    publicKey,
    records[publicKey] ?? { endpoint: endpointText ?? null, keepaliveS },
  ]);
  return { peers: Object.fromEntries(found), isChanged: true };
}
