import { formatPrefix, type Prefix, parsePrefix } from "../ip/prefix.js";
import type { WithheldRecords } from "./changes.js";
import { type Command, inParts } from "./command.js";
import { linkLocalOf } from "./link-locals.js";
import type { DevicePeer, DeviceState } from "./state.js";

/** The allowed IPs to withhold from WireGuard, by the peer's public key in base64. */
export type Wanted = ReadonlyMap<string, readonly Prefix[]>;

/** The plan for withholding exactly the wanted allowed IPs. */
export interface WithheldPlan {
  /** What is recorded before the commands, and after them. */
  readonly during: WithheldRecords;
  readonly after: WithheldRecords;
  readonly commands: readonly Command[];
}

/**
 * WireGuard's state, with the withheld allowed IPs added: each peer with everything that it owns, in the original
 * order.
 *
 * Changes by others count. An allowed IP that another peer has got belongs to that peer. If somebody has written a
 * peer's list again, without the part that was left there, the peer owns exactly that list.
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
  // The link-local address may have been added later by this package.
  const linkLocal = linkLocalOf(peer);
  const others = shown.filter((one) => linkLocal === undefined || one !== formatPrefix(linkLocal));
  const isRewritten = left.length === 0 ? others.length > 0 : left.some((one) => !shown.includes(one));
  // If a recorded allowed IP is still there, it was never taken: the process was killed in between.
  const isGivenBack = record.taken.some((one) => shown.includes(one));
  if (taken.length === 0 || (isRewritten && !isGivenBack)) return peer;
  const all = [...own, ...shown.filter((one) => !own.includes(one))];
  return { ...peer, allowedIps: prefixesOf(all), withheld: prefixesOf(taken) };
}

/** The records that are still valid: their peers exist and lack what was taken. */
export function stillWithheld(records: WithheldRecords, { peers }: DeviceState): WithheldRecords {
  const lacking = new Set(peers.flatMap(({ publicKey, withheld }) => (withheld ? [publicKey] : [])));
  const kept = Object.entries(records).filter(([key]) => lacking.has(key));
  return kept.length === Object.keys(records).length ? records : Object.fromEntries(kept);
}

/**
 * Plans the commands after which exactly these allowed IPs are withheld.
 * @param state - the state with everything that is owned: {@link withOwned}
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
    // Before the commands are done, previously withheld ones may still be missing.
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
