import type { NewPeer } from "../device/create.js";
import { MeshError } from "../errors.js";
import { parsePrefix } from "../ip/prefix.js";
import { endpointTextOf, parseWg } from "../multiaddr/wg.js";
import { formatKey } from "../wireguard-key.js";
import { findPlaces, type LookUpHost, type WrittenPlace } from "./host-places.js";
import { allowedIpFrom, keyFrom } from "./parts.js";

/** A peer from one word, whose place is not looked up yet. */
interface OptionPeer {
  readonly peer: NewPeer;
  readonly place: WrittenPlace | undefined;
}

/**
 * Reads peers, each from one word: its key, its endpoint if it is known, and its allowed IPs. The format is
 * `KEY[@HOST:PORT][,ALLOWED-IP]…`. The characters `@` and `,` occur in none of the three parts. A multiaddr with
 * `/wg/` is read as well, and allowed IPs may follow it. Names of hosts are looked up.
 * @returns the peers, and a sentence for each place that cannot be used now
 * @throws {@link MeshError} `INVALID_KEY`, `INVALID_OPTION`, `INVALID_ADDRESS`
 */
export async function parsePeerOptions(
  texts: readonly string[],
  lookUp: LookUpHost,
): Promise<{ readonly peers: readonly NewPeer[]; readonly notes: readonly string[] }> {
  const read = texts.map(optionPeer);
  const { endpoints, notes } = await findPlaces(
    read.flatMap(({ place }) => place ?? []),
    lookUp,
  );
  const peers = read.map(({ peer }): NewPeer => {
    const endpoint = endpoints.get(formatKey(peer.publicKey));
    return endpoint === undefined ? peer : { ...peer, endpoint };
  });
  return { peers, notes };
}

function optionPeer(text: string): OptionPeer {
  // One of 64 keys starts with a slash, too.
  if (text.startsWith("/") && !/^[^,@]{43}=(?:[,@]|$)/.test(text)) return peerOfMultiaddr(text);
  const [head = "", ...allowedIps] = text.split(",");
  const [key = "", endpoint, more] = head.split("@");
  const publicKey = keyFrom(key, "--peer");
  if (more !== undefined) throw new MeshError("INVALID_OPTION", `--peer "${text}": it has more than one @`);
  return peerOf(publicKey, endpoint, allowedIps);
}

function peerOfMultiaddr(text: string): OptionPeer {
  const [address = "", ...more] = text.split(",");
  const { bearer, publicKey, overlay } = parseWg(address);
  const [, , host = ""] = overlay?.split("/") ?? [];
  const allowedIps = [...(parsePrefix(host) === undefined ? [] : [host]), ...more];
  const family = bearer?.startsWith("/dns4/") ? 4 : bearer?.startsWith("/dns6/") ? 6 : undefined;
  return peerOf(publicKey, bearer && endpointTextOf(bearer), allowedIps, family);
}

function peerOf(
  publicKey: Uint8Array,
  endpoint: string | undefined,
  allowedIps: readonly string[],
  family?: 4 | 6,
): OptionPeer {
  return {
    peer: { publicKey, allowedIps: allowedIps.map((one) => allowedIpFrom(one, "--peer: allowed IP")) },
    place:
      endpoint === undefined
        ? undefined
        : { publicKey: formatKey(publicKey), text: endpoint, part: "--peer: endpoint", family },
  };
}
