import type { NewPeer } from "../device/create.js";
import { MeshError } from "../errors.js";
import { parsePrefix } from "../ip/prefix.js";
import { endpointTextOf, parseWg } from "../multiaddr/wg.js";
import { allowedIpFrom, endpointFrom, keyFrom } from "./parts.js";

/**
 * Reads a peer from one word: its key, its endpoint if it is known, and its allowed IPs. The format is
 * `KEY[@ADDRESS:PORT][,ALLOWED-IP]…`. The characters `@` and `,` occur in none of the three parts. A multiaddr with
 * `/wg/` is read as well, and allowed IPs may follow it.
 * @throws {@link MeshError} `INVALID_KEY`, `INVALID_OPTION`, `INVALID_ADDRESS`
 */
export function parsePeerOption(text: string): NewPeer {
  // One of 64 keys starts with a slash, too.
  if (text.startsWith("/") && !/^[^,@]{43}=(?:[,@]|$)/.test(text)) return peerOfMultiaddr(text);
  const [head = "", ...allowedIps] = text.split(",");
  const [key = "", endpoint, more] = head.split("@");
  const publicKey = keyFrom(key, "--peer");
  if (more !== undefined) throw new MeshError("INVALID_OPTION", `--peer "${text}": it has more than one @`);
  return {
    publicKey,
    allowedIps: allowedIps.map((one) => allowedIpFrom(one, "--peer: allowed IP")),
    ...(endpoint === undefined ? {} : { endpoint: endpointFrom(endpoint, "--peer: endpoint") }),
  };
}

function peerOfMultiaddr(text: string): NewPeer {
  const [address = "", ...more] = text.split(",");
  const { bearer, publicKey, overlay } = parseWg(address);
  const [, , host = ""] = overlay?.split("/") ?? [];
  const allowedIps = [...(parsePrefix(host) === undefined ? [] : [host]), ...more];
  return {
    publicKey,
    allowedIps: allowedIps.map((one) => allowedIpFrom(one, "--peer: allowed IP")),
    ...(bearer === undefined ? {} : { endpoint: endpointFrom(endpointTextOf(bearer), "--peer: endpoint") }),
  };
}
