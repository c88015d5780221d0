import { count, peerName, printable } from "../cli/printable.js";
import { NATS, nameOf, PROTOCOLS, pathInWords } from "../cli/words.js";
import type { MeshInfo, PathKind, PeerInfo, PeerState } from "../info.js";
import type { NetworkInfo } from "../membership/requests.js";

/** The maximum number of peers and of members that the page shows. The numbers of all are shown beside them. */
export const MAX_SHOWN = 512;

/** The maximum length of a text that the page shows. Longer ones are cut. */
export const MAX_TEXT = 256;

/** The maximum number of entries of a short list, such as own candidates. */
const MAX_LIST = 32;

/** The maximum number of addresses, groups or subnets of one host. */
const MAX_ADDRESSES = 8;

/** A peer, as the page shows it. All texts are printable, and may still contain anything that HTML would obey. */
export interface PeerView {
  readonly key: string;
  /** The name, or the key in short form. */
  readonly name: string;
  readonly state: PeerState;
  /** The kind of the path in use; undefined without a path. */
  readonly kind: PathKind | undefined;
  /** The path in words, such as `direct LAN`, or `no path`. */
  readonly path: string;
  readonly endpoint: string | undefined;
  readonly roundTripMs: number | undefined;
  /** Why there is no path; undefined with one. */
  readonly reason: string | undefined;
  /** Unix ms. */
  readonly handshakeAt: number | undefined;
  readonly received: number;
  readonly sent: number;
  /** Addresses in the tunnel, and subnets behind the peer. */
  readonly addresses: readonly string[];
}

/** A member of the network, as the page shows it. */
export interface MemberView {
  readonly key: string;
  readonly name: string;
  /** Such as `admin, this host`. */
  readonly role: string;
  readonly addresses: readonly string[];
  readonly groups: readonly string[];
  readonly routes: readonly string[];
}

/** The network that this host is a member of, as the page shows it. */
export interface NetworkView {
  readonly name: string;
  readonly isAdmin: boolean;
  readonly members: readonly MemberView[];
  readonly memberCount: number;
  /** Undefined when everybody may reach everybody. */
  readonly rules: readonly string[] | undefined;
  readonly waiting: readonly { readonly name: string; readonly key: string }[];
  readonly troubles: readonly string[];
}

/** Everything that the page shows of a mesh. */
export interface View {
  readonly interface: string;
  readonly key: string;
  /** This host's name in the network; undefined without a network. */
  readonly ownName: string | undefined;
  /** Since when the daemon runs, in Unix ms. */
  readonly since: number;
  readonly peers: readonly PeerView[];
  readonly peerCount: number;
  /** Facts about this host: a title and a text each. */
  readonly host: readonly (readonly [title: string, text: string])[];
  readonly troubles: readonly string[];
  /** Undefined while the interface belongs to no network. */
  readonly network: NetworkView | undefined;
}

/** What the page shows of what the daemon knows. Its size has a bound, whatever the daemon says. */
export function viewOf(info: MeshInfo, network: NetworkInfo | undefined): View {
  const own = network?.members.find(({ isSelf }) => isSelf);
  return {
    interface: shown(info.interface),
    key: shown(info.publicKey),
    ownName: own === undefined ? undefined : shown(own.name),
    since: info.since,
    peers: info.peers
      .slice(0, MAX_SHOWN)
      .map((peer) => peerView(peer, info.peers))
      .toSorted((a, b) => compare(a.name, b.name) || compare(a.key, b.key)),
    peerCount: info.peers.length,
    host: hostFacts(info),
    troubles: texts(info.troubles ?? []),
    network: network === undefined ? undefined : networkView(network),
  };
}

function peerView(peer: PeerInfo, all: readonly PeerInfo[]): PeerView {
  const { path } = peer;
  return {
    key: shown(peer.publicKey),
    name: cut(peerName(peer)),
    state: peer.state,
    kind: path?.kind,
    path: path === undefined ? "no path" : cut(pathInWords(path, all)),
    endpoint: path === undefined ? undefined : shown(path.endpoint),
    roundTripMs: path?.roundTripMs,
    reason: path === undefined ? shown(peer.reason) : undefined,
    handshakeAt: peer.lastHandshakeAt,
    received: peer.receivedBytes,
    sent: peer.sentBytes,
    addresses: texts(peer.allowedIps, MAX_ADDRESSES).map((ip) =>
      ip.replace(/^([\d.]+)\/32$|^([\da-f:]+)\/128$/, "$1$2"),
    ),
  };
}

function networkView({ name, isAdmin, members, rules, waiting, troubles }: NetworkInfo): NetworkView {
  return {
    name: shown(name),
    isAdmin,
    members: members.slice(0, MAX_SHOWN).map((member) => ({
      key: shown(member.publicKey),
      name: shown(member.name),
      role:
        [member.isAdmin ? "admin" : "", member.isSelf ? "this host" : ""].filter(Boolean).join(", ") ||
        "member",
      addresses: texts(member.addresses, MAX_ADDRESSES),
      groups: texts(member.groups, MAX_ADDRESSES),
      routes: texts(member.routes, MAX_ADDRESSES),
    })),
    memberCount: members.length,
    rules: rules === undefined ? undefined : texts(rules),
    waiting: waiting.slice(0, MAX_LIST).map((one) => ({ name: shown(one.name), key: shown(one.publicKey) })),
    troubles: texts(troubles),
  };
}

function hostFacts(info: MeshInfo): [title: string, text: string][] {
  const { candidates, portMappings, brokers, turn = [], relaying } = info;
  const open = brokers.filter(({ state }) => state === "open");
  const list = (some: readonly string[]): string => texts(some).join(", ");
  const facts: [string, string][] = [
    ["Port", String(info.listenPort)],
    ["NAT", NATS[info.nat]],
    [
      "Reachable at",
      list(candidates.map(({ kind, endpoint }) => `${endpoint} (${kind})`)) || "not known yet",
    ],
  ];
  for (const { gateway, protocol, external, isHint } of portMappings.slice(0, MAX_LIST)) {
    if (protocol === undefined) continue;
    const behind = isHint ? "; there is another NAT behind it" : "";
    facts.push([
      "Router",
      shown(`${gateway} gives ${external ?? "a port"} by ${PROTOCOLS[protocol]}${behind}`),
    ]);
  }
  const failed = brokers.filter(({ state, error }) => state !== "open" && error !== undefined);
  facts.push(["Brokers", `${open.length} of ${brokers.length} connected`]);
  if (failed.length > 0)
    facts.push([
      "Not connected",
      list(failed.map(({ host, port, error = "" }) => `${host}:${port}: ${error}`)),
    ]);
  for (const { server, relayed, peers, error } of turn.slice(0, MAX_LIST)) {
    const state = relayed === undefined ? (error ?? "not needed now") : `relays for ${count(peers, "peer")}`;
    facts.push(["TURN", shown(`${server}: ${state}`)]);
  }
  if (relaying !== undefined) {
    const pairs = relaying.filter(({ isOpen }) => isOpen).map(({ peers }) => peers);
    const names = pairs.map(([one, other]) => `${nameOf(one, info.peers)} and ${nameOf(other, info.peers)}`);
    facts.push(["Relays for", list(names) || "nobody now"]);
  }
  return facts;
}

/** A text in one line, bounded. */
function shown(text: string): string {
  return cut(printable(text.slice(0, MAX_TEXT)));
}

function cut(text: string): string {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}

function texts(some: readonly string[], most: number = MAX_LIST): string[] {
  const first = some.slice(0, most).map(shown);
  return some.length > most ? [...first, `and ${some.length - most} more`] : first;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
