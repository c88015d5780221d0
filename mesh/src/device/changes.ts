import * as z from "zod/mini";
import type { DeviceState } from "./state.js";

const endpointText: z.ZodMiniString = z.string().check(z.minLength(1), z.maxLength(100));
const seconds: z.ZodMiniNumber = z.int().check(z.minimum(0), z.maximum(0xffff));

const keyText: z.ZodMiniString = z.string().check(z.length(44));
const addressText: z.ZodMiniString = z.string().check(z.maxLength(50), z.regex(/^[\da-f.:]+\/\d+$/));

/** A peer as it was found. This state is restored at the end. */
export interface PeerRecord {
  readonly endpoint: string | null;
  readonly keepaliveS: number;
}

/** The link-local addresses that were added to an interface. Each address follows from a key. */
export interface AddedLinkLocals {
  /** The own address in the form of `ip`; undefined when the interface had it already. */
  readonly own?: string | undefined;
  /** The peers whose link-local address was added to their allowed IPs, by public key in base64. */
  readonly peers: readonly string[];
}

/**
 * The allowed IPs of a peer in the form of `wg`: all allowed IPs that the peer owns, in their order, and the allowed
 * IPs that WireGuard does not get.
 */
export interface WithheldRecord {
  readonly owned: readonly string[];
  readonly taken: readonly string[];
}

/** The records by public key, in base64. */
export type WithheldRecords = Readonly<Record<string, WithheldRecord>>;

/**
 * All changes on an interface that must be undone. This package made some of the changes, and WireGuard may have made
 * others because of this package.
 */
export interface Changes {
  readonly version: 1;
  /** Identifies the interface. An interface of the same name that was made later has none of these changes. */
  readonly incarnation: string;
  /** Whether this package made the interface. */
  readonly isCreated: boolean;
  /** Whether this package made the nft table. */
  readonly hasTable: boolean;
  /** Whether this package added routes. Their protocol number identifies them. */
  readonly hasRoutes: boolean;
  /** The records by public key, in base64. */
  readonly peers: Readonly<Record<string, PeerRecord>>;
  /** The peers that were added, by public key in base64. */
  readonly added?: readonly string[] | undefined;
  /** The addresses that were added to an interface made by somebody else, in the form of `ip`. */
  readonly addresses?: readonly string[] | undefined;
  /** The link-local addresses that were added. */
  readonly linkLocals?: AddedLinkLocals | undefined;
  /** The allowed IPs that were taken from peers for a while. */
  readonly withheld?: WithheldRecords | undefined;
}

export const changesSchema: z.ZodMiniType<Changes> = z.strictObject({
  version: z.literal(1),
  incarnation: z.string().check(z.maxLength(100)),
  isCreated: z.boolean(),
  hasTable: z.boolean(),
  // Written since version 0.2.
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
 * Updates the records after a look at the interface. A peer is recorded as it was seen first. A peer that disappeared
 * was removed by the user, so its record is removed.
 *
 * Endpoints are restored whatever the reason for their change was. WireGuard itself changes an endpoint as soon as the
 * peer is reached, and such a change looks the same as a change by the user.
 * @returns the records, and whether they have changed
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
