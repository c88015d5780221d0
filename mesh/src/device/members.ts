import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { formatPrefix, type Prefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import { type Command, inParts } from "./command.js";
import type { InterfaceAddress } from "./create.js";
import { hindranceOf, planRoutes, type UnusedRoute } from "./member-routes.js";
import type { Link, Network } from "./network.js";
import type { DeviceState } from "./state.js";

/** A member of a network that must be a peer. */
export interface MemberPeer {
  /** The member's public key, in base64. */
  readonly publicKey: string;
  /** The member's own addresses. */
  readonly allowedIps: readonly Prefix[];
  /** The subnets behind the member. */
  readonly routes: readonly Prefix[];
  /** The first endpoint for WireGuard when the peer is added. */
  readonly endpoint?: Endpoint | undefined;
  /** A secret of 32 bytes, or that there must be none. Default: whatever the peer has. */
  readonly presharedKey?: Uint8Array | "none" | undefined;
}

/** The members of a network for an interface. */
export interface Members {
  /** The own addresses. */
  readonly addresses: readonly InterfaceAddress[];
  readonly peers: readonly MemberPeer[];
}

/** What was added to an interface for its members: peers by public key, and addresses in the form of `ip`. */
export interface AddedMembers {
  readonly added: readonly string[];
  readonly addresses: readonly string[];
}

/** The plan for the members. */
export interface MembersPlan {
  /** What is recorded before the commands, and after them. */
  readonly during: AddedMembers;
  readonly after: AddedMembers;
  readonly commands: readonly Command[];
  /** Members that get all allowed IPs that they own. */
  readonly changed: readonly string[];
  /** The subnets behind members that are not used from this host. */
  readonly unused: readonly UnusedRoute[];
}

/**
 * Plans the commands that give an interface its members.
 * @param network - the host's network
 * @param before - what was added earlier
 */
export function planMembers(
  { addresses, peers }: Members,
  link: Link,
  network: Network,
  state: DeviceState,
  before: AddedMembers,
): MembersPlan {
  const { name } = link;
  const ours = new Set(before.added);
  const there = new Map(state.peers.map((peer) => [peer.publicKey, peer]));
  // An existing peer that was not added here belongs to the user, and so do its allowed IPs.
  const others = withoutPeers(state, before.added).peers;
  const theirs = new Set(others.flatMap(({ allowedIps }) => allowedIps.map(formatPrefix)));
  const ownPeers = peers.filter(({ publicKey }) => ours.has(publicKey) || !there.has(publicKey));
  const behind = ownPeers.flatMap(({ publicKey, routes }) =>
    routes.map((prefix) => ({
      ...{ publicKey, prefix },
      because: hindranceOf(name, prefix, network, state, others),
    })),
  );
  const unused = behind.flatMap(({ because, ...route }) =>
    because === undefined ? [] : [{ ...route, because }],
  );
  const used = new Map<string, Prefix[]>();
  for (const { publicKey, prefix, because } of behind)
    if (because === undefined) used.set(publicKey, [...(used.get(publicKey) ?? []), prefix]);
  const wanted = ownPeers.map(({ publicKey, allowedIps, endpoint }) => ({
    publicKey,
    place: endpoint === undefined || there.has(publicKey) ? [] : ["endpoint", formatEndpoint(endpoint)],
    allowedIps: [
      ...allowedIps.filter((one) => !theirs.has(formatPrefix(one))),
      ...(used.get(publicKey) ?? []),
    ],
  }));
  const keys = wanted.map(({ publicKey }) => publicKey);
  const kept = new Set(keys);
  const leaving = before.added.filter((key) => !kept.has(key));
  const changed = wanted.filter(({ publicKey, allowedIps }) => {
    const shown = there.get(publicKey)?.allowedIps.map(formatPrefix).toSorted().join();
    return shown !== allowedIps.map(formatPrefix).toSorted().join();
  });
  const own = addresses.map(({ address, prefix }) => `${address}/${prefix.bits}`);
  const shown = new Set(link.addresses.map(({ address, bits }) => `${address}/${bits}`));
  const taken = before.addresses.filter((one) => !own.includes(one) && shown.has(one));
  const given = own.filter((one) => !shown.has(one));
  const routed = [...used.values()].flat().map(formatPrefix);
  const words = [
    ...leaving.filter((key) => there.has(key)).map((key) => ["peer", key, "remove"]),
    ...changed.map(({ publicKey, place, allowedIps }) => [
      ...["peer", publicKey, ...place, "allowed-ips", allowedIps.map(formatPrefix).join(",")],
    ]),
  ];
  const commands = [
    ...inParts(words).map((part): Command => ({ program: "wg", args: ["set", name, ...part.flat()] })),
    ...ownPeers.flatMap(
      (peer) => presharedCommand(name, peer, there.get(peer.publicKey)?.presharedKey) ?? [],
    ),
    // New addresses come first, so that there is always one of the network. The kernel may remove them with an old one.
    ...given.map((one) => ipAddress("replace", one, name)),
    ...taken.map((one) => ipAddress("del", one, name)),
    ...(taken.length === 0 ? [] : given.map((one) => ipAddress("replace", one, name))),
    ...planRoutes(name, routed, network),
  ];
  // Those of an interface that was made here disappear with it, but may have to be removed before.
  const addedAddresses = [...before.addresses.filter((one) => own.includes(one)), ...given];
  const after = { added: keys, addresses: [...new Set(addedAddresses)] };
  return {
    commands,
    changed: changed.map(({ publicKey }) => publicKey),
    unused,
    after,
    during: {
      added: [...new Set([...before.added, ...keys])],
      addresses: [...new Set([...before.addresses, ...after.addresses])],
    },
  };
}

/** The command that gives a peer its preshared key, by standard input; undefined if the peer has this key already. */
function presharedCommand(
  name: string,
  { publicKey, presharedKey }: MemberPeer,
  shown: string | undefined,
): Command | undefined {
  if (presharedKey === undefined) return undefined;
  const wanted = presharedKey === "none" ? undefined : formatKey(presharedKey);
  if (wanted === shown) return undefined;
  const args = ["set", name, "peer", publicKey, "preshared-key"];
  return wanted === undefined
    ? { program: "wg", args: [...args, "/dev/null"] }
    : { program: "wg", args: [...args, "/dev/stdin"], input: { text: `${wanted}\n`, isSecret: true } };
}

/** The commands that remove what was added. */
export function undoMembers(
  link: Link,
  network: Network,
  state: DeviceState,
  { added, addresses }: AddedMembers,
): Command[] {
  const there = new Set(state.peers.map(({ publicKey }) => publicKey));
  const shown = new Set(link.addresses.map(({ address, bits }) => `${address}/${bits}`));
  const words = added.filter((key) => there.has(key)).map((key) => ["peer", key, "remove"]);
  return [
    ...planRoutes(link.name, [], network),
    ...inParts(words).map((part): Command => ({ program: "wg", args: ["set", link.name, ...part.flat()] })),
    ...addresses.filter((one) => shown.has(one)).map((one) => ipAddress("del", one, link.name)),
  ];
}

/** WireGuard's state without some peers. */
export function withoutPeers(state: DeviceState, keys: readonly string[]): DeviceState {
  if (keys.length === 0) return state;
  const left = new Set(keys);
  return { ...state, peers: state.peers.filter(({ publicKey }) => !left.has(publicKey)) };
}

/** Adds an address to an interface, or removes it. */
export function ipAddress(verb: "del" | "replace", address: string, name: string): Command {
  return { program: "ip", args: ["addr", verb, address, "dev", name] };
}
