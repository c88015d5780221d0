import { formatPrefix, type Prefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import { type Command, inParts } from "./command.js";
import { addressCommands, type NewInterface, type NewPeer, peerCommand, routesOf } from "./create.js";

/** What is necessary to change an interface that this package made. */
export interface Recreation {
  readonly commands: readonly Command[];
  /** The peers that get all their allowed IPs, by public key in base64. */
  readonly changed: readonly string[];
}

/**
 * Plans the commands that give an interface other peers and addresses. A peer whose settings are the same is not
 * touched, so its session goes on. A peer that changes keeps its session and its endpoint, too.
 * @param isKept - whether somebody else needs a peer that the settings do not have any more
 * @param routed - the destinations of the current routes by this interface
 */
export function planRecreation(
  name: string,
  before: NewInterface,
  after: NewInterface,
  { isKept, routed }: { readonly isKept: (publicKey: string) => boolean; readonly routed: readonly Prefix[] },
): Recreation {
  const old = new Map(before.peers.map((peer) => [formatKey(peer.publicKey), peer]));
  const kept = new Set(after.peers.map(({ publicKey }) => formatKey(publicKey)));
  const leaving = [...old.keys()].filter((key) => !kept.has(key) && !isKept(key));
  const changed = after.peers.filter((peer) => textOf(old.get(formatKey(peer.publicKey))) !== textOf(peer));
  const routes = new Set(routesOf(after).map(formatPrefix));
  const there = new Set(routed.map(formatPrefix));
  const obsolete = routesOf(before)
    .map(formatPrefix)
    .filter((to) => !routes.has(to) && there.has(to));
  return {
    commands: [
      ...inParts(leaving.map((key) => ["peer", key, "remove"])).map(
        (part): Command => ({ program: "wg", args: ["set", name, ...part.flat()] }),
      ),
      ...changed.map((peer) => changeOf(name, old.get(formatKey(peer.publicKey)), peer)),
      ...addressCommands(name, before, after),
      ...obsolete.map((to): Command => ({ program: "ip", args: ["route", "del", to, "dev", name] })),
    ],
    changed: changed.map(({ publicKey }) => formatKey(publicKey)),
  };
}

/** The endpoint of an existing peer stays: the path that is in use works, and another place is only tried. */
function changeOf(name: string, before: NewPeer | undefined, peer: NewPeer): Command {
  if (before === undefined) return peerCommand(name, peer);
  const { endpoint: _, ...rest } = peer;
  const command = peerCommand(name, rest);
  if (before.presharedKey === undefined || peer.presharedKey !== undefined) return command;
  const [set = "", , word = "", key = "", ...more] = command.args;
  // An empty file removes the preshared key.
  return { ...command, args: [set, name, word, key, "preshared-key", "/dev/null", ...more] };
}

/** The settings of a peer that WireGuard must have, as a text to compare. */
function textOf(peer: NewPeer | undefined): string | undefined {
  if (peer === undefined) return undefined;
  const { allowedIps, presharedKey } = peer;
  return `${allowedIps.map(formatPrefix).toSorted().join()} ${presharedKey && formatKey(presharedKey)}`;
}
