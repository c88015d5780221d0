import { formatPrefix, type Prefix, parsePrefix } from "../ip/prefix.js";
import { linkLocalAddress } from "../overlay/link-local.js";
import { parseKey } from "../wireguard-key.js";
import type { AddedLinkLocals } from "./changes.js";
import { type Command, inParts } from "./command.js";
import { ipAddress } from "./members.js";
import type { Link } from "./network.js";
import { type DevicePeer, type DeviceState, givenIps } from "./state.js";

/**
 * Plans the commands that give this host and its peers their link-local addresses in the tunnel. An address that
 * another peer has is left to that peer.
 * @param before - what was added earlier
 */
export function planLinkLocals(
  link: Link,
  state: DeviceState,
  before: AddedLinkLocals,
): {
  readonly during: AddedLinkLocals;
  readonly after: AddedLinkLocals;
  readonly commands: readonly Command[];
} {
  const { name, publicKey, peers } = state;
  const own = publicKey && `${linkLocalAddress(publicKey)}/64`;
  const shown = new Set(link.addresses.map(({ address, bits }) => `${address}/${bits}`));
  const owners = new Map(
    peers.flatMap((peer) => peer.allowedIps.map((ip) => [formatPrefix(ip), peer] as const)),
  );
  const lacking = peers.filter((peer) => !owners.has(textOf(peer)));
  const there = new Set(peers.map((peer) => peer.publicKey));
  const kept = before.peers.filter((key) => there.has(key));
  const isOld = before.own !== undefined && before.own !== own;
  const isOwnAdded = own !== undefined && (own === before.own || !shown.has(own));
  const after: AddedLinkLocals = {
    ...(isOwnAdded ? { own } : {}),
    peers: [...new Set([...kept, ...lacking.map((peer) => peer.publicKey)])],
  };
  const commands = [
    ...(isOld && before.own !== undefined && shown.has(before.own)
      ? [ipAddress("del", before.own, name)]
      : []),
    ...(own !== undefined && !shown.has(own) ? [ipAddress("replace", own, name)] : []),
    ...allow(
      name,
      lacking.map((peer) => [peer, [...givenIps(peer), linkLocalOf(peer)].flatMap((ip) => ip ?? [])]),
    ),
  ];
  return { during: { own: after.own ?? before.own, peers: after.peers }, after, commands };
}

/** The commands that remove the added addresses. */
export function undoLinkLocals(link: Link, { name, peers }: DeviceState, added: AddedLinkLocals): Command[] {
  const { own } = added;
  const ours = new Set(added.peers);
  const isThere = link.addresses.some(({ address, bits }) => `${address}/${bits}` === own);
  const without = peers
    .filter(({ publicKey, allowedIps }) => ours.has(publicKey) && allowedIps.length > 0)
    .map((peer) => [peer, givenIps(peer).filter((ip) => formatPrefix(ip) !== textOf(peer))] as const)
    .filter(([peer, left]) => left.length < givenIps(peer).length);
  return [...allow(name, without), ...(own !== undefined && isThere ? [ipAddress("del", own, name)] : [])];
}

/** The link-local address of a peer, as an allowed IP. */
export function linkLocalOf({ publicKey }: Pick<DevicePeer, "publicKey">): Prefix | undefined {
  return parsePrefix(linkLocalAddress(parseKey(publicKey)));
}

function textOf(peer: DevicePeer): string {
  const prefix = linkLocalOf(peer);
  return prefix === undefined ? "" : formatPrefix(prefix);
}

/** Sets all allowed IPs of a peer at once: only few versions of `wg` can add a single one. */
function allow(name: string, all: readonly (readonly [DevicePeer, readonly Prefix[]])[]): Command[] {
  const words = all.map(([{ publicKey }, ips]) => [
    ...["peer", publicKey, "allowed-ips", ips.map(formatPrefix).join(",")],
  ]);
  return inParts(words).map((part): Command => ({ program: "wg", args: ["set", name, ...part.flat()] }));
}
