import { formatPrefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import { type Command, inParts } from "./command.js";
import { type DevicePeer, givenIps } from "./state.js";

/** The keepalive interval for NAT mappings, in s, as WireGuard's manual recommends. */
export const KEEPALIVE_S = 25;

/** The keepalive interval of a peer, in s. A user who chose a shorter one has a NAT that forgets sooner. */
export function keepaliveFor({ keepaliveS }: Pick<DevicePeer, "keepaliveS">): number {
  return keepaliveS === 0 ? KEEPALIVE_S : Math.min(keepaliveS, KEEPALIVE_S);
}

/** The MTU of an interface made here: the minimum of IPv6, which fits through every path. */
export const MTU = 1280;

/** The settings of a peer to change. Other settings stay. */
export interface PeerChange {
  /** The endpoint in the form of `wg`. */
  readonly endpoint?: string | undefined;
  readonly keepaliveS?: number | undefined;
}

export function showDevice(name: string): Command {
  return { program: "wg", args: ["show", name, "dump"] };
}

/**
 * Makes WireGuard use an endpoint and send a packet there at once. Both implementations send a keepalive when the
 * persistent keepalive changes from 0 to a number, and only then. The peer is named twice, so that one command does
 * both.
 */
export function useEndpoint(
  name: string,
  publicKey: string,
  use: { readonly endpoint: string; readonly keepaliveS: number },
): Command {
  const { endpoint, keepaliveS } = use;
  const args = ["set", name, "peer", publicKey, "endpoint", endpoint, "persistent-keepalive", "0"];
  return { program: "wg", args: [...args, "peer", publicKey, "persistent-keepalive", String(keepaliveS)] };
}

/**
 * Removes a peer and makes it again with the same settings, in one command. After a lost initiation, WireGuard waits 5
 * s before the next one, and an initiation without an endpoint counts as lost. A new peer has nothing to wait for. The
 * peer's session is lost.
 */
export function renewPeer(name: string, peer: DevicePeer, change: PeerChange): Command {
  const { publicKey, presharedKey } = peer;
  const { endpoint, keepaliveS = peer.keepaliveS } = change;
  const args = ["set", name, "peer", publicKey, "remove", "peer", publicKey];
  if (presharedKey !== undefined) args.push("preshared-key", "/dev/stdin");
  args.push("allowed-ips", givenIps(peer).map(formatPrefix).join(","));
  if (endpoint !== undefined) args.push("endpoint", endpoint);
  // This must come last: it makes WireGuard send a packet, and the endpoint and the key must be set by then.
  args.push("persistent-keepalive", String(keepaliveS));
  return presharedKey === undefined
    ? { program: "wg", args }
    : { program: "wg", args, input: { text: `${presharedKey}\n`, isSecret: true } };
}

/** The address in the endpoint of a resting peer, whose packets come to this daemon. */
export const REST_ADDRESS = "127.0.0.1";

/** Makes peers again without a session, so that packets for them go to an endpoint and nothing else is sent. */
export function restPeers(name: string, peers: readonly DevicePeer[], endpoint: string): Command[] {
  const commands = peers.map((peer) => renewPeer(name, peer, { endpoint, keepaliveS: 0 }));
  // Each preshared key needs a standard input of its own.
  const secret = commands.filter(({ input }) => input !== undefined);
  const words = commands.filter(({ input }) => input === undefined).map(({ args }) => args.slice(2));
  return [
    ...inParts(words).map((part): Command => ({ program: "wg", args: ["set", name, ...part.flat()] })),
    ...secret,
  ];
}

/** Changes an existing peer. */
export function changePeer(name: string, publicKey: string, { endpoint, keepaliveS }: PeerChange): Command {
  const args = ["set", name, "peer", publicKey];
  if (endpoint !== undefined) args.push("endpoint", endpoint);
  if (keepaliveS !== undefined) args.push("persistent-keepalive", String(keepaliveS));
  return { program: "wg", args };
}

/** Gives an interface its private key, by standard input: everybody can see a command line. */
export function setPrivateKey(name: string, privateKey: Uint8Array, listenPort: number | undefined): Command {
  const port = listenPort === undefined ? [] : ["listen-port", String(listenPort)];
  return {
    program: "wg",
    args: ["set", name, ...port, "private-key", "/dev/stdin"],
    input: { text: `${formatKey(privateKey)}\n`, isSecret: true },
  };
}
