import { formatPrefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";
import { type Command, inParts } from "./command.js";
import { type DevicePeer, givenIps } from "./state.js";

/** How often WireGuard keeps a NAT's mapping alive, s: what its own manual recommends. */
export const KEEPALIVE_S = 25;

/** How often a peer's NAT mapping is kept alive, s: whoever asks for more has a NAT that forgets sooner. */
export function keepaliveFor({ keepaliveS }: Pick<DevicePeer, "keepaliveS">): number {
  return keepaliveS === 0 ? KEEPALIVE_S : Math.min(keepaliveS, KEEPALIVE_S);
}

/** The MTU of an interface that we make: what IPv6 needs, and what fits through every path. */
export const MTU = 1280;

/** What `wg` is told of a peer. What is not named stays as it is. */
export interface PeerChange {
  /** As `wg` writes it. */
  readonly endpoint?: string | undefined;
  readonly keepaliveS?: number | undefined;
}

export function showDevice(name: string): Command {
  return { program: "wg", args: ["show", name, "dump"] };
}

/**
 * Makes WireGuard use an endpoint and send something there at once: both implementations send a keepalive when
 * persistent keepalive goes from 0 to a number, and only then. Naming the peer twice makes it one command.
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
 * Removes a peer and makes it again as it was, in one command. WireGuard waits 5 s after an initiation that was lost,
 * and one without an endpoint counts: a peer that is new has nothing to wait for. Its session is lost by it.
 */
export function renewPeer(name: string, peer: DevicePeer, change: PeerChange): Command {
  const { publicKey, presharedKey } = peer;
  const { endpoint, keepaliveS = peer.keepaliveS } = change;
  const args = ["set", name, "peer", publicKey, "remove", "peer", publicKey];
  if (presharedKey !== undefined) args.push("preshared-key", "/dev/stdin");
  args.push("allowed-ips", givenIps(peer).map(formatPrefix).join(","));
  if (endpoint !== undefined) args.push("endpoint", endpoint);
  // The last, as it makes WireGuard send something: the endpoint and the key are set by then.
  args.push("persistent-keepalive", String(keepaliveS));
  return presharedKey === undefined
    ? { program: "wg", args }
    : { program: "wg", args, input: { text: `${presharedKey}\n`, isSecret: true } };
}

/** The endpoint of a peer whose packets come to us, and go nowhere. */
export const REST_ADDRESS = "127.0.0.1";

/** Makes peers anew, without a session, so that what is for them goes to an endpoint and nothing else does. */
export function restPeers(name: string, peers: readonly DevicePeer[], endpoint: string): Command[] {
  const commands = peers.map((peer) => renewPeer(name, peer, { endpoint, keepaliveS: 0 }));
  // Each preshared key comes by an input of its own.
  const secret = commands.filter(({ input }) => input !== undefined);
  const words = commands.filter(({ input }) => input === undefined).map(({ args }) => args.slice(2));
  return [
    ...inParts(words).map((part): Command => ({ program: "wg", args: ["set", name, ...part.flat()] })),
    ...secret,
  ];
}

/** Changes a peer that is there. */
export function changePeer(name: string, publicKey: string, { endpoint, keepaliveS }: PeerChange): Command {
  const args = ["set", name, "peer", publicKey];
  if (endpoint !== undefined) args.push("endpoint", endpoint);
  if (keepaliveS !== undefined) args.push("persistent-keepalive", String(keepaliveS));
  return { program: "wg", args };
}

/** Gives an interface its private key, by standard input: a command line is seen by everybody. */
export function setPrivateKey(name: string, privateKey: Uint8Array, listenPort: number | undefined): Command {
  const port = listenPort === undefined ? [] : ["listen-port", String(listenPort)];
  return {
    program: "wg",
    args: ["set", name, ...port, "private-key", "/dev/stdin"],
    input: { text: `${formatKey(privateKey)}\n`, isSecret: true },
  };
}
