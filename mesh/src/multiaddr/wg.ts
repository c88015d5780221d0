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

/** What a multiaddr says of a WireGuard host. */
export interface WgAddress {
  /** Where its WireGuard is reached: a multiaddr that ends in UDP. Undefined when the address does not say. */
  readonly bearer: string | undefined;
  /** Its public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  /**
   * What is reached through the tunnel: a multiaddr, in which there may be one more `/wg/`. Undefined when the address
   * names the host alone.
   */
  readonly overlay: string | undefined;
}

/** What a tunnel can go over: a host, then UDP. */
const BEARERS: ReadonlySet<string> = new Set([
  "/ip4/udp",
  "/ip6/udp",
  "/ip6zone/ip6/udp",
  "/dns/udp",
  "/dns4/udp",
  "/dns6/udp",
]);

/**
 * Reads a multiaddr with `/wg/` in it: `/ip4/192.0.2.1/udp/51820/wg/uKEY/ip4/10.9.0.1/tcp/80` is a host that is reached
 * by UDP, with this key, and behind it a TCP port. Of several `/wg/` the first one is read; the others are in
 * `overlay`. The older form, which has the key at the end (`/ip4/10.9.0.1/tcp/80/wg/uKEY`), has no bearer.
 * @param address - text, or bytes
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
 * Writes a multiaddr with `/wg/`, in the form that has the key between bearer and overlay.
 * @throws {@link MeshError} `INVALID_ADDRESS`; `INVALID_KEY` when the key is not 32 bytes
 */
export function formatWg({ bearer, publicKey, overlay }: WgAddress): string {
  checkKey(publicKey, "publicKey");
  const before = bearer === undefined ? [] : parseMultiaddr(bearer);
  if (bearer !== undefined && !isBearer(before)) throw noBearer(before);
  const after = overlay === undefined ? [] : parseMultiaddr(overlay);
  return formatMultiaddr([...before, { name: "wg", value: formatWgKey(publicKey) }, ...after]);
}

/**
 * The bytes of a multiaddr.
 * @throws {@link MeshError} `INVALID_ADDRESS`
 */
export function wgBytes(address: string): Uint8Array {
  const components = parseMultiaddr(address);
  wgOf(components);
  return encodeMultiaddr(components);
}

/** Where a bearer leads, as `wg` writes endpoints; its host may be a name. */
export function endpointTextOf(bearer: string): string {
  const parts = new Map(parseMultiaddr(bearer).map(({ name, value = "" }) => [name, value]));
  const six = parts.get("ip6");
  const zone = parts.get("ip6zone");
  const host = parts.get("ip4") ?? parts.get("dns") ?? parts.get("dns4") ?? parts.get("dns6") ?? "";
  const shown = six === undefined ? host : `[${six}${zone === undefined ? "" : `%${zone}`}]`;
  return `${shown}:${parts.get("udp")}`;
}

/** The address of a host and a UDP port, as a bearer. @param endpoint - an address, not a name */
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
  // Each /wg/ has to stand in a place where one can.
  if (after.some(({ name }) => name === "wg")) wgOf(after);
  const overlay = after.length === 0 ? undefined : formatMultiaddr(after);
  if (before.length === 0) return { bearer: undefined, publicKey, overlay };
  if (isBearer(before)) return { bearer: formatMultiaddr(before), publicKey, overlay };
  // The older form: what is reached stands before the key.
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
