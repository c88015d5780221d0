import { checkKey } from "../wireguard-key.js";
import {
  type Component,
  decodeMultiaddr,
  encodeMultiaddr,
  formatMultiaddr,
  invalid,
  parseMultiaddr,
} from "./multiaddr.js";
import { formatWgKey, parseWgKey } from "./wg-key.js";

/** The address of a WireGuard host, from a multiaddr. */
export interface WgAddress {
  /** The place of the host's WireGuard: a multiaddr that ends in UDP. Undefined when the address has no such part. */
  readonly bearer: string | undefined;
  /** The public key of the host, 32 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * The target inside the tunnel: a multiaddr, which may contain another `/wg/`. Undefined when the address only names
   * the host.
   */
  readonly overlay: string | undefined;
}

/** The valid bearers of a tunnel: a host, then UDP. */
const BEARERS: ReadonlySet<string> = new Set([
  "/ip4/udp",
  "/ip6/udp",
  "/ip6zone/ip6/udp",
  "/dns/udp",
  "/dns4/udp",
  "/dns6/udp",
]);

/**
 * Reads a multiaddr with `/wg/`. For example, `/ip4/192.0.2.1/udp/51820/wg/uKEY/ip4/10.9.0.1/tcp/80` names a host at
 * 192.0.2.1, UDP port 51820, with the key `uKEY`, and a TCP port inside the tunnel. If there are several `/wg/`, the
 * first one is read, and the others are in `overlay`. The older form has the key at the end, and no bearer:
 * `/ip4/10.9.0.1/tcp/80/wg/uKEY`.
 * @param address - the multiaddr as text or as bytes
 * @throws {@link MeshError} `INVALID_ADDRESS`
 *
 * @example
 * ```ts
 * const key = "uAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
 * const { bearer, overlay } = parseWg(`/ip4/192.0.2.1/udp/51820/wg/${key}/ip4/10.9.0.1/tcp/80`);
 * console.log(bearer, overlay); // /ip4/192.0.2.1/udp/51820 /ip4/10.9.0.1/tcp/80
 * ```
 */
export function parseWg(address: string | Uint8Array): WgAddress {
  return wgOf(typeof address === "string" ? parseMultiaddr(address) : decodeMultiaddr(address));
}

/**
 * Writes a multiaddr with `/wg/`, as bearer, key and overlay in this order.
 * @throws {@link MeshError} `INVALID_ADDRESS`; `INVALID_KEY` when the key has not 32 bytes
 */
export function formatWg({ bearer, publicKey, overlay }: WgAddress): string {
  checkKey(publicKey, "publicKey");
  const before = bearer === undefined ? [] : parseMultiaddr(bearer);
  if (bearer !== undefined && !isBearer(before)) throw noBearer(before);
  const after = overlay === undefined ? [] : parseMultiaddr(overlay);
  return formatMultiaddr([...before, { name: "wg", value: formatWgKey(publicKey) }, ...after]);
}

/**
 * Encodes a multiaddr with `/wg/` as bytes.
 * @throws {@link MeshError} `INVALID_ADDRESS`
 */
export function wgBytes(address: string): Uint8Array {
  const components = parseMultiaddr(address);
  wgOf(components);
  return encodeMultiaddr(components);
}

/** The endpoint of a bearer, `HOST:PORT` in the form of `wg`. The host may be a name. */
export function endpointTextOf(bearer: string): string {
  const parts = new Map(parseMultiaddr(bearer).map(({ name, value = "" }) => [name, value]));
  const six = parts.get("ip6");
  const zone = parts.get("ip6zone");
  const host = parts.get("ip4") ?? parts.get("dns") ?? parts.get("dns4") ?? parts.get("dns6") ?? "";
  const shown = six === undefined ? host : `[${six}${zone === undefined ? "" : `%${zone}`}]`;
  return `${shown}:${parts.get("udp")}`;
}

/** The bearer for an IP address and a UDP port. @param endpoint - the address must not be a name */
export function bearerOf({
  address,
  family,
  port,
}: {
  address: string;
  family: 4 | 6;
  port: number;
}): string {
  return `/ip${family}/${address}/udp/${port}`;
}

function wgOf(components: readonly Component[]): WgAddress {
  const at = components.findIndex(({ name }) => name === "wg");
  const publicKey = parseWgKey(components[at]?.value ?? "");
  if (publicKey === undefined) throw invalid("there is no /wg/ in it");
  const before = components.slice(0, at);
  const after = components.slice(at + 1);
  // Each further /wg/ must be in a valid place, too.
  if (after.some(({ name }) => name === "wg")) wgOf(after);
  const overlay = after.length === 0 ? undefined : formatMultiaddr(after);
  if (before.length === 0) return { bearer: undefined, publicKey, overlay };
  if (isBearer(before)) return { bearer: formatMultiaddr(before), publicKey, overlay };
  // In the older form, the target inside the tunnel is before the key.
  if (after.length === 0) return { bearer: undefined, publicKey, overlay: formatMultiaddr(before) };
  throw noBearer(before);
}

function isBearer(components: readonly Component[]): boolean {
  return BEARERS.has(components.map(({ name }) => `/${name}`).join(""));
}

function noBearer(components: readonly Component[]): Error {
  return invalid(
    `${formatMultiaddr(components)}: WireGuard goes over UDP, as in /ip4/192.0.2.1/udp/51820 or /dns/host.example/udp/51820`,
  );
}
