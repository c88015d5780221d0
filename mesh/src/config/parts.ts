/** Reads the parts of a configuration from text. Errors name the part as the user wrote it. */
import type { InterfaceAddress, NewInterface, NewPeer } from "../device/create.js";
import { MeshError } from "../errors.js";
import { formatAddress, parseAddress } from "../ip/address.js";
import { type Endpoint, parseEndpoint } from "../ip/endpoint.js";
import { type Prefix, parsePrefix } from "../ip/prefix.js";
import { linkLocalAddress } from "../overlay/link-local.js";
import { parseKey, publicKeyOf } from "../wireguard-key.js";

/** The maximum number of peers of one interface. A larger number would be a mistake, or an attack on memory. */
export const MAX_PEERS = 65_536;

/** @throws {@link MeshError} `INVALID_OPTION` */
export function endpointFrom(text: string, part: string): Endpoint {
  const endpoint = parseEndpoint(text);
  if (endpoint !== undefined) return endpoint;
  throw invalid(
    part,
    text,
    "an address and a port are expected, as in 192.0.2.1:51820 or [2001:db8::1]:51820",
  );
}

/** @throws {@link MeshError} `INVALID_OPTION` */
export function allowedIpFrom(text: string, part: string): Prefix {
  const prefix = parsePrefix(text);
  if (prefix !== undefined) return prefix;
  throw invalid(part, text, "an address or a range is expected, as in 10.9.0.2/32 or fd00::/64");
}

/** @throws {@link MeshError} `INVALID_OPTION` */
export function addressFrom(text: string, part: string): InterfaceAddress {
  const prefix = parsePrefix(text);
  const address = parseAddress(text.split("/")[0] ?? "");
  if (prefix !== undefined && address !== undefined) return { address: formatAddress(address), prefix };
  throw invalid(part, text, "an address with the length of its range is expected, as in 10.9.0.1/24");
}

/**
 * Checks a name or an address with a port. Names are not looked up here.
 * @throws {@link MeshError} `INVALID_OPTION`
 */
export function checkHostPort(text: string, part: string): string {
  const [, host = "", port = ""] = /^(.+):(\d{1,5})$/.exec(text) ?? [];
  const isName = /^(?=.{1,253}$)[a-z\d_]([a-z\d_-]*[a-z\d_])?(\.[a-z\d_]([a-z\d_-]*[a-z\d_])?)*\.?$/i.test(
    host,
  );
  const number = Number(port);
  if (number >= 1 && number <= 0xffff && (isName || parseEndpoint(text) !== undefined)) return text;
  throw invalid(part, text, "a host and a port are expected, as in stun.example.org:3478");
}

/**
 * Adds the link-local addresses that follow from the keys. So two hosts that know only each other's key have an address
 * for each other.
 */
export function withLinkLocal(settings: NewInterface): NewInterface {
  const own = addressFrom(`${linkLocalAddress(publicKeyOf(settings.privateKey))}/64`, "address");
  const peers = settings.peers.map((peer): NewPeer => {
    const linkLocal = allowedIpFrom(linkLocalAddress(peer.publicKey), "allowedIps");
    return { ...peer, allowedIps: [...peer.allowedIps, linkLocal] };
  });
  return { ...settings, addresses: [...settings.addresses, own], peers };
}

/** @throws {@link MeshError} `INVALID_KEY` */
export function keyFrom(text: string, part: string): Uint8Array {
  return parseKey(text, part);
}

function invalid(part: string, text: string, expected: string): MeshError {
  return new MeshError("INVALID_OPTION", `${part} "${text}": ${expected}`);
}
