import { formatPrefix, type Prefix, parsePrefix } from "../ip/prefix.js";
import type { WithheldRecords } from "./changes.js";
import { type Command, inParts } from "./command.js";
import { linkLocalOf } from "./link-locals.js";
import type { DevicePeer, DeviceState } from "./state.js";

/** What is to be withheld from WireGuard, by the peer's public key, base64. */
export type Wanted = ReadonlyMap<string, readonly Prefix[]>;

/** What is done so that WireGuard has the allowed IPs that it is to have. */
export interface WithheldPlan {
  /** What is written down before the commands, and after them. */
  readonly during: WithheldRecords;
  readonly after: WithheldRecords;
  readonly commands: readonly Command[];
}

/**
 * What WireGuard shows, with what is withheld among the allowed IPs: each peer with all that it owns, in the order that it
 * had.
 *
 * What others did meanwhile counts. An allowed IP that another peer has got is that one's. A peer whose list somebody has
 * written anew, without what we had left of it, owns what is in that list and nothing else.
 */
export function withOwned(state: DeviceState, records: WithheldRecords = {}): DeviceState {
  if (Object.keys(records).length === 0) return state;
  const owners = new Map(
    state.peers.flatMap(({ publicKey, allowedIps }) =>
      allowedIps.map((ip) => [formatPrefix(ip), publicKey] as const),
    ),
  );
  return { ...state, peers: state.peers.map((peer) => owned(peer, records, owners)) };
}

function owned(peer: DevicePeer, records: WithheldRecords, owners: ReadonlyMap<string, string>): DevicePeer {
  const { publicKey, allowedIps } = peer;
  const record = records[publicKey];
  if (record === undefined) return peer;
  const shown = allowedIps.map(formatPrefix);
  const isLeftToIt = (one: string): boolean => (owners.get(one) ?? publicKey) === publicKey;
  const own = record.owned.filter(isLeftToIt);
  const taken = own.filter((one) => record.taken.includes(one) && !shown.includes(one));
  const left = own.filter((one) => !record.taken.includes(one));
  // The link-local address may have come later, by us.
  const linkLocal = linkLocalOf(peer);
  const others = shown.filter((one) => linkLocal === undefined || one !== formatPrefix(linkLocal));
  const isRewritten = left.length === 0 ? others.length > 0 : left.some((one) => !shown.includes(one));
  // What was to be taken and is still there was never taken: a kill came in between.
  const isGivenBack = record.taken.some((one) => shown.includes(one));
  if (taken.length === 0 || (isRewritten && !isGivenBack)) return peer;
  const all = [...own, ...shown.filter((one) => !own.includes(one))];
  return { ...peer, allowedIps: prefixesOf(all), withheld: prefixesOf(taken) };
}

/** The records that still say something: of peers that are there, and lack what was taken. */
export function stillWithheld(records: WithheldRecords, { peers }: DeviceState): WithheldRecords {
  const lacking = new Set(peers.flatMap(({ publicKey, withheld }) => (withheld ? [publicKey] : [])));
  const kept = Object.entries(records).filter(([key]) => lacking.has(key));
  return kept.length === Object.keys(records).length ? records : Object.fromEntries(kept);
}

/**
 * What is to be done so that these allowed IPs are withheld, and no others.
 * @param state - with what is owned: {@link withOwned}
 */
export function planWithheld(state: DeviceState, wanted: Wanted): WithheldPlan {
  const during: Record<string, WithheldRecords[string]> = {};
  const after: Record<string, WithheldRecords[string]> = {};
  const words: string[][] = [];
  for (const { publicKey, allowedIps, withheld = [] } of state.peers) {
    const all = allowedIps.map(formatPrefix);
    const before = withheld.map(formatPrefix);
    const wantedHere = new Set((wanted.get(publicKey) ?? []).map(formatPrefix));
    const taken = all.filter((one) => wantedHere.has(one));
    const isSame = taken.length === before.length && taken.every((one) => before.includes(one));
    // Until it is done, what was taken before may still be missing.
    const either = isSame ? taken : all.filter((one) => before.includes(one) || wantedHere.has(one));
    if (either.length > 0) during[publicKey] = { owned: all, taken: either };
    if (taken.length > 0) after[publicKey] = { owned: all, taken };
    if (!isSame)
      words.push(["peer", publicKey, "allowed-ips", all.filter((one) => !wantedHere.has(one)).join(",")]);
  }
  const commands = inParts(words).map(
    (part): Command => ({ program: "wg", args: ["set", state.name, ...part.flat()] }),
  );
  return { during, after, commands };
}

function prefixesOf(texts: readonly string[]): Prefix[] {
  return texts.flatMap((text) => parsePrefix(text) ?? []);
}
