import { MeshError } from "../errors.js";
import { parseAddress } from "../ip/address.js";
import { parseEndpoint } from "../ip/endpoint.js";
import { contains, parsePrefix } from "../ip/prefix.js";
import { bearerOf, endpointTextOf, formatWg, parseWg, wgBytes } from "../multiaddr/wg.js";
import { formatWgKey, parseWgKey } from "../multiaddr/wg-key.js";
import { linkLocalAddress } from "../overlay/link-local.js";
import { formatKey, parseKey } from "../wireguard-key.js";
import type { Context } from "./context.js";
import type { ExitCode } from "./failure.js";
import { type LivePeer, liveInterface } from "./live-interface.js";
import { peerName, printable } from "./printable.js";

export interface ShowOptions {
  readonly overlay?: string;
  readonly key?: string;
}

export interface VerifyOptions {
  readonly interface?: string;
}

/** Prints the addresses of this host as multiaddrs, or converts a key. */
export async function show(
  context: Context,
  name: string | undefined,
  { overlay, key }: ShowOptions,
): Promise<ExitCode> {
  const { output } = context;
  if (key !== undefined) {
    const bytes = parseWgKey(key) ?? parseKey(key, "--key");
    const [wg = "", publicKey] = [formatWgKey(bytes), formatKey(bytes)];
    // The user wants the other form of the key.
    await output.result({ publicKey, wg }, () => (key === wg ? publicKey : wg));
    return 0;
  }
  const live = await liveInterface(context, name);
  if (live.publicKey === undefined) throw new MeshError("NOT_CONFIGURED", `${live.name} has no private key`);
  const publicKey = parseKey(live.publicKey);
  const bearers = live.candidates.flatMap(({ endpoint: text }) => {
    const endpoint = parseEndpoint(text);
    return endpoint === undefined ? [] : [bearerOf(endpoint)];
  });
  const addresses = (bearers.length > 0 ? bearers : [undefined]).map((bearer) =>
    formatWg({ bearer, publicKey, overlay }),
  );
  if (bearers.length === 0)
    output.note("Without a daemon it is not known where this host may be reached: the key stands alone.");
  const found = { interface: live.name, publicKey: live.publicKey, addresses };
  await output.result(found, () => addresses.join("\n"));
  return 0;
}

/** Prints the parts of a multiaddr. */
export async function parse({ output }: Context, address: string): Promise<ExitCode> {
  const { bearer, publicKey, overlay } = parseWg(address);
  const key = formatKey(publicKey);
  const bytes = Buffer.from(wgBytes(address)).toString("hex");
  const endpoint = bearer && endpointTextOf(bearer);
  const linkLocal = linkLocalAddress(publicKey);
  await output.result({ bearer, endpoint, publicKey: key, overlay, linkLocal, bytes }, () =>
    [
      ["bearer", bearer ?? "-"],
      ["endpoint", endpoint ?? "-"],
      ["key", key],
      ["overlay", overlay ?? "-"],
      ["link-local", linkLocal],
      ["bytes", bytes],
    ]
      .map(([title = "", value = ""]) => `${title.padEnd(12)}${value}`)
      .join("\n"),
  );
  return 0;
}

/** Tests whether the key in a multiaddr is the key of this host or of a peer. */
export async function verify(
  context: Context,
  address: string,
  { interface: name }: VerifyOptions,
): Promise<ExitCode> {
  const { output } = context;
  const { publicKey, overlay } = parseWg(address);
  const live = await liveInterface(context, name);
  const key = formatKey(publicKey);
  const isOwn = key === live.publicKey;
  const peer = live.peers.find((one) => one.publicKey === key);
  const isVerified = isOwn || peer !== undefined;
  const found = { interface: live.name, publicKey: key, isVerified, isOwn, endpoint: peer?.endpoint };
  await output.result(found, () => {
    const where = printable(live.name);
    if (isOwn) return `${key} is this host, on ${where}`;
    if (peer === undefined) return `${key} is neither this host nor a peer of ${where}`;
    const at = peer.endpoint === undefined ? "no path yet" : `at ${printable(peer.endpoint)}`;
    return `${peerName(peer)} is a peer of ${where}, ${at}`;
  });
  if (peer !== undefined && overlay !== undefined && !leadsTo(peer, overlay))
    output.warn(`${overlay} is not among the allowed IPs of this peer: WireGuard does not send it there`);
  return isVerified ? 0 : 1;
}

/** Whether WireGuard sends packets for an overlay address to this peer. */
function leadsTo({ allowedIps }: LivePeer, overlay: string): boolean {
  const [, , host = ""] = overlay.split("/");
  const bytes = parseAddress(host);
  // Only addresses can be tested: not names, and not another key.
  if (bytes === undefined) return true;
  return allowedIps.some((text) => {
    const prefix = parsePrefix(text);
    return prefix !== undefined && contains(prefix, bytes);
  });
}
