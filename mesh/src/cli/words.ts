import type { MeshInfo, NatVerdict, PathInfo, PathKind, PeerInfo } from "../info.js";
import type { MappingProtocol } from "../port-mapping/mapper.js";
import { peerName, printable } from "./printable.js";

/** The kinds of paths in words. */
export const PATHS: Readonly<Record<PathKind, string>> = {
  lan: "direct LAN",
  ipv6: "direct IPv6",
  nat: "direct NAT",
  relay: "relayed",
  turn: "relayed by turn",
};

/** The protocols for port mapping in words. */
export const PROTOCOLS: Readonly<Record<MappingProtocol, string>> = {
  pcp: "PCP",
  "nat-pmp": "NAT-PMP",
  "upnp-igd": "UPnP",
};

/** The maximum length of a relay's name in a row of a table. */
const MAX_RELAY_NAME = 12;

/** A path in words, with its relay or TURN server. */
export function pathInWords(
  { kind, relay, turn }: Pick<PathInfo, "kind" | "relay" | "turn">,
  all: readonly PeerInfo[],
): string {
  if (turn !== undefined) return `${PATHS[kind]} ${printable(turn)}`;
  if (relay === undefined) return PATHS[kind];
  const name = nameOf(relay, all);
  return `${PATHS[kind]} by ${name.length > MAX_RELAY_NAME ? `${name.slice(0, MAX_RELAY_NAME - 1)}…` : name}`;
}

/** The name of a peer, by its public key. */
export function nameOf(publicKey: string, all: readonly PeerInfo[]): string {
  return peerName(all.find((peer) => peer.publicKey === publicKey) ?? { publicKey });
}

/** The verdict about the NAT in words. */
export const NATS: Readonly<Record<NatVerdict, string>> = {
  open: "no NAT",
  stable: "a NAT that keeps one outside port for everybody",
  symmetric: "a NAT with another outside port for each destination: no direct path to another such NAT",
  blocked: "no UDP gets through: no STUN server answers",
  unknown: "not known yet",
};

/** How many brokers can be used. */
export function brokersInWords(brokers: MeshInfo["brokers"]): string {
  const open = brokers.filter(({ state }) => state === "open");
  return `${open.length} of ${brokers.length} connected`;
}
