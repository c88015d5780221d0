import * as z from "zod/mini";
import type { DevicePeer, DeviceState } from "./state.js";

/** How many of the endpoints that we gave a peer are remembered, to tell them from those of others. */
const MAX_ENDPOINTS = 16;

const endpointText: z.ZodMiniString = z.string().check(z.minLength(1), z.maxLength(100));
const seconds: z.ZodMiniNumber = z.int().check(z.minimum(0), z.maximum(0xffff));
const bytes: z.ZodMiniNumber = z.int().check(z.minimum(0));

/** What is known of a peer that we changed, or that came because we told it of us. */
export interface PeerRecord {
  /** What is to be put back. */
  readonly before: { readonly endpoint: string | null; readonly keepaliveS: number };
  /** The endpoints that we set, the last at the end; none where WireGuard learned it. */
  readonly endpoints: readonly string[];
  /** The keepalive that we set, or that the user set after us. */
  readonly keepaliveS: number;
  /** What WireGuard showed last. */
  readonly seen: { readonly endpoint: string | null; readonly receivedBytes: number };
}

/** All that we changed on an interface and that is to be undone. */
export interface Changes {
  readonly version: 1;
  /** Which interface it was: one of the same name that was made since has nothing of ours. */
  readonly incarnation: string;
  /** We made the interface. */
  readonly isCreated: boolean;
  /** We made the nft table. */
  readonly hasTable: boolean;
  /** By public key, base64. */
  readonly peers: Readonly<Record<string, PeerRecord>>;
}

export const changesSchema: z.ZodMiniType<Changes> = z.strictObject({
  version: z.literal(1),
  incarnation: z.string().check(z.maxLength(100)),
  isCreated: z.boolean(),
  hasTable: z.boolean(),
  peers: z.record(
    z.string().check(z.length(44)),
    z.strictObject({
      before: z.strictObject({ endpoint: z.nullable(endpointText), keepaliveS: seconds }),
      endpoints: z.array(endpointText).check(z.maxLength(MAX_ENDPOINTS)),
      keepaliveS: seconds,
      seen: z.strictObject({ endpoint: z.nullable(endpointText), receivedBytes: bytes }),
    }),
  ),
});

export function noChanges(incarnation: string): Changes {
  return { version: 1, incarnation, isCreated: false, hasTable: false, peers: {} };
}

/**
 * What is known of the peers that we have not changed yet, after a look at what is there now. One that the other side
 * found first sends there already when we change it: it is not what the user set.
 * @param changed - the records of those that we changed
 */
export function noteUntouched(
  records: Readonly<Record<string, PeerRecord>>,
  changed: Readonly<Record<string, PeerRecord>>,
  state: DeviceState,
): Record<string, PeerRecord> {
  const { peers } = noteOthers(records, state);
  const untouched = state.peers.filter(({ publicKey }) => changed[publicKey] === undefined);
  return Object.fromEntries(
    untouched.map((peer) => [peer.publicKey, peers[peer.publicKey] ?? recordFound(peer)]),
  );
}

function recordFound({ endpointText, keepaliveS, receivedBytes }: DevicePeer): PeerRecord {
  const endpoint = endpointText ?? null;
  return { before: { endpoint, keepaliveS }, endpoints: [], keepaliveS, seen: { endpoint, receivedBytes } };
}

/**
 * What is known of a peer once it was told to use an endpoint.
 * @param record - what was known before
 */
export function recordUse(
  record: PeerRecord | undefined,
  peer: DevicePeer,
  use: { readonly endpoint: string; readonly keepaliveS: number; readonly isFresh: boolean },
): PeerRecord {
  const before = record?.before ?? { endpoint: peer.endpointText ?? null, keepaliveS: peer.keepaliveS };
  const others = record?.endpoints.filter((one) => one !== use.endpoint) ?? [];
  return {
    before,
    endpoints: [...others, use.endpoint].slice(-MAX_ENDPOINTS),
    keepaliveS: use.keepaliveS,
    // A peer that is made anew counts from 0.
    seen: { endpoint: use.endpoint, receivedBytes: use.isFresh ? 0 : peer.receivedBytes },
  };
}

/**
 * What is to be put back, after a look at what is there now. What the user changed since is his, and is what will be
 * there in the end: he removed the peer, made it anew, or set another keepalive or endpoint.
 *
 * WireGuard itself changes the endpoint too, but only together with a packet that it received.
 * @returns the records that are left, and whether any of what is to be put back is another one
 */
export function noteOthers(
  records: Readonly<Record<string, PeerRecord>>,
  { peers }: DeviceState,
): { readonly peers: Record<string, PeerRecord>; readonly isChanged: boolean } {
  const live = new Map(peers.map((peer) => [peer.publicKey, peer]));
  const left: Record<string, PeerRecord> = {};
  let isChanged = false;
  for (const [publicKey, record] of Object.entries(records)) {
    const peer = live.get(publicKey);
    const next = peer && noteOther(record, peer);
    if (next !== undefined) left[publicKey] = next;
    isChanged ||= next?.before !== record.before;
  }
  return { peers: left, isChanged };
}

function noteOther(record: PeerRecord, peer: DevicePeer): PeerRecord | undefined {
  const { before, endpoints, keepaliveS, seen } = record;
  // Counters that went back belong to a peer that was made anew.
  if (peer.receivedBytes < seen.receivedBytes) return undefined;
  const endpoint = peer.endpointText ?? null;
  const isSet =
    endpoint !== seen.endpoint &&
    peer.receivedBytes === seen.receivedBytes &&
    !(endpoint !== null && endpoints.includes(endpoint));
  const isOther = isSet || peer.keepaliveS !== keepaliveS;
  return {
    before: isOther
      ? {
          endpoint: isSet ? endpoint : before.endpoint,
          keepaliveS: peer.keepaliveS === keepaliveS ? before.keepaliveS : peer.keepaliveS,
        }
      : before,
    endpoints,
    keepaliveS: peer.keepaliveS,
    seen: { endpoint, receivedBytes: peer.receivedBytes },
  };
}
