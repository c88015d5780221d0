import { milliseconds } from "../cli/printable.js";
import type { NetworkView, PeerView, View } from "./view.js";

/** The maximum number of changes that are told one by one. */
const MAX_CHANGES = 20;

/** What is new since an earlier view, one sentence each. Round trips and counters are no news. */
export function changesBetween(before: View, now: View): string[] {
  const changes = [
    ...peerChanges(before.peers, now.peers),
    ...hostChanges(before.host, now.host),
    ...networkChanges(before.network, now.network),
    ...added(before.troubles, now.troubles).map((trouble) => `Trouble: ${trouble}`),
  ];
  if (changes.length <= MAX_CHANGES) return changes;
  return [...changes.slice(0, MAX_CHANGES), `${changes.length - MAX_CHANGES} more changes at the same time`];
}

/** A peer and the way to it, in one sentence. */
export function sentenceOf(peer: PeerView): string {
  const { name, state, kind, path, endpoint, roundTripMs, reason } = peer;
  if (kind === undefined) return `${name}: ${state}, ${reason ?? path}`;
  const time = roundTripMs === undefined ? "" : `, ${milliseconds(roundTripMs)}`;
  return `${name}: ${path}, ${endpoint}${time}`;
}

function peerChanges(before: readonly PeerView[], now: readonly PeerView[]): string[] {
  const earlier = new Map(before.map((peer) => [peer.key, peer]));
  const changed = now.flatMap((peer) => {
    const old = earlier.get(peer.key);
    earlier.delete(peer.key);
    if (old === undefined) return [`${peer.name} is a peer now`];
    const renamed = old.name === peer.name ? [] : [`${old.name} is called ${peer.name} now`];
    const isSame = old.state === peer.state && old.path === peer.path && old.endpoint === peer.endpoint;
    return isSame ? renamed : [...renamed, sentenceOf(peer)];
  });
  return [...changed, ...Array.from(earlier.values(), ({ name }) => `${name} is no peer any more`)];
}

function hostChanges(before: View["host"], now: View["host"]): string[] {
  const line = ([title, text]: readonly [string, string]): string => `This host: ${title}: ${text}`;
  return added(before.map(line), now.map(line));
}

function networkChanges(before: NetworkView | undefined, now: NetworkView | undefined): string[] {
  if (now === undefined) return [];
  if (before === undefined) return [`This host is a member of ${now.name}`];
  const names = (network: NetworkView): string[] => network.members.map(({ name }) => name);
  const waiting = (network: NetworkView): string[] => network.waiting.map(({ name }) => name);
  return [
    ...added(names(before), names(now)).map((name) => `${name} is a member of ${now.name} now`),
    ...added(names(now), names(before)).map((name) => `${name} is no member of ${now.name} any more`),
    ...added(waiting(before), waiting(now)).map((name) => `${name} waits to become a member`),
    ...added(before.troubles, now.troubles).map((trouble) => `Trouble: ${trouble}`),
  ];
}

/** What is in the second list and not in the first. */
function added(before: readonly string[], now: readonly string[]): string[] {
  const known = new Set(before);
  return now.filter((one) => !known.has(one));
}
