import { MeshError } from "../errors.js";
import type { CandidateInfo } from "../info.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, endpointOf, parseEndpoint } from "../ip/endpoint.js";
import { isReachable, scopeOf } from "../ip/scope.js";
import { formatKey, newPrivateKey, parseKey, sharedSecretOf } from "../wireguard-key.js";

/** The maximum length of a node's file in bytes. A real one has about 200. */
export const MAX_NODE_BYTES = 16_384;

/** What a node says about itself. */
export interface NodeInfo {
  /** In base64. */
  readonly publicKey: string;
  /** The place of the node as a STUN server sees it; undefined when the node does not know it. */
  readonly endpoint: Endpoint | undefined;
}

/** The names of these values, for a file that this program writes. */
export interface NodeFile {
  readonly wg_public_key: string;
  readonly stun_ip: string | null;
  readonly stun_port: number | null;
}

/** Keys of low order are found by an attempt with any private key. */
const PROBE_KEY: Uint8Array = newPrivateKey();

/**
 * Reads the file of a node. There is no specification of its names, so the values are recognized by what they are: the
 * only WireGuard key, the only address that another host may have, and a number called a port.
 * @throws {@link MeshError} `INVALID_OPTION`, `INVALID_KEY`, `LOW_ORDER_KEY`
 */
export function parseNodeFile(text: string): NodeInfo {
  const values = valuesOf(text);
  const keys = new Set(values.flatMap(([, value]) => (isKey(value) ? [value] : [])));
  const [publicKey, ...others] = keys;
  if (publicKey === undefined) throw new MeshError("INVALID_KEY", "it has no WireGuard key in it");
  if (others.length > 0) throw new MeshError("INVALID_KEY", "it has more than one WireGuard key in it");
  sharedSecretOf(PROBE_KEY, parseKey(publicKey));
  return { publicKey, endpoint: endpointIn(values) };
}

/** Writes the file of this node. */
export function nodeFile(publicKey: string, endpoint: Endpoint | undefined): NodeFile {
  return {
    wg_public_key: publicKey,
    stun_ip: endpoint?.address ?? null,
    stun_port: endpoint?.port ?? null,
  };
}

/**
 * The best place for other nodes: a mapped port, then what STUN servers see, then an own public address. The original
 * knows IPv4 only, so IPv4 comes first.
 */
export function publishedPlace(candidates: readonly CandidateInfo[]): Endpoint | undefined {
  const places = (["mapped", "reflexive", "host"] as const).flatMap((kind) =>
    candidates
      .filter((one) => one.kind === kind)
      .flatMap(({ endpoint }) => parseEndpoint(endpoint) ?? [])
      .filter(
        ({ address }) => kind !== "host" || scopeOf(parseAddress(address) ?? new Uint8Array(4)) === "global",
      ),
  );
  return places.find(({ family }) => family === 4) ?? places[0];
}

/** The names and values of an object. The values of an object within it count, too. */
function valuesOf(text: string): [name: string, value: unknown][] {
  let data: unknown;
  try {
    // Some editors on Windows write this byte order mark at the start of a file.
    data = JSON.parse(text.replace(/^\ufeff/, ""));
  } catch {
    throw new MeshError("INVALID_OPTION", "it is not JSON");
  }
  if (typeof data !== "object" || data === null || Array.isArray(data))
    throw new MeshError("INVALID_OPTION", "a JSON object is expected");
  return Object.entries(data).flatMap(([name, value]: [string, unknown]) =>
    typeof value === "object" && value !== null && !Array.isArray(value)
      ? Object.entries(value).map(([inner, one]): [string, unknown] => [`${name}_${inner}`, one])
      : [[name, value] as [string, unknown]],
  );
}

function isKey(value: unknown): value is string {
  return (
    typeof value === "string" && value.length === 44 && formatKey(Buffer.from(value, "base64")) === value
  );
}

function endpointIn(values: readonly [string, unknown][]): Endpoint | undefined {
  const whole = values.flatMap(([, value]) =>
    typeof value === "string" ? (parseEndpoint(value) ?? []) : [],
  );
  const addresses = values.flatMap(([name, value]) => {
    // The address in the overlay is no place to send to.
    const bytes = typeof value === "string" && !/^wg_?ip$/i.test(name) ? parseAddress(value) : undefined;
    return bytes !== undefined && isReachable(bytes) ? [bytes] : [];
  });
  const ports = values.flatMap(([name, value]) =>
    /port$/i.test(name) && (typeof value === "number" || typeof value === "string")
      ? [[name, Number(value)] as const]
      : [],
  );
  // The port of WireGuard itself may be there, too.
  const port = ports.find(([name]) => /stun|ext|pub|map/i.test(name)) ?? ports[0];
  const [one] = [...whole, endpointOf(addresses[0], port?.[1] ?? 0) ?? []].flat();
  const bytes = one && parseAddress(one.address);
  return bytes !== undefined && isReachable(bytes) ? one : undefined;
}
