import { parseAddress } from "../ip/address.js";
import { type Endpoint, endpointOf, parseEndpoint } from "../ip/endpoint.js";
import { checkHostPort } from "./parts.js";

/** The maximum number of names that are looked up at the start. */
const MAX_NAMES = 256;

/** Looks up a name. @returns the addresses as texts */
export type LookUpHost = (host: string) => Promise<readonly string[]>;

/** The place of a peer, as the configuration writes it. */
export interface WrittenPlace {
  /** In base64. */
  readonly publicKey: string;
  /** `HOST:PORT`. The host is a name or an address. */
  readonly text: string;
  /** The only family of addresses that counts for a name. Default: both. */
  readonly family?: 4 | 6 | undefined;
  /** The position in the configuration, for errors. */
  readonly part: string;
}

/** The places of peers that are known now. */
export interface Places {
  /** The first place of each peer, by the public key of the peer. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** The place of each peer that is not an address, as it is written: the addresses of a name may change. */
  readonly written: ReadonlyMap<string, string>;
  /** A sentence for each place that cannot be used now. */
  readonly notes: readonly string[];
}

/**
 * Looks up the places of peers. A place that cannot be used now is no error, because peers find each other without it,
 * too.
 * @throws {@link MeshError} `INVALID_OPTION` for a text that is not `HOST:PORT`
 */
export async function findPlaces(places: readonly WrittenPlace[], lookUp: LookUpHost): Promise<Places> {
  for (const { text, part } of places) if (!hasZone(text)) checkHostPort(text, part);
  const names = [...new Set(places.filter(({ text }) => isNamed(text)).map(({ text }) => hostOf(text)))];
  const found = new Map(
    await Promise.all(
      names.slice(0, MAX_NAMES).map(async (name) => [name, await lookUp(name).catch(() => [])] as const),
    ),
  );
  const endpoints = new Map<string, Endpoint>();
  const written = new Map<string, string>();
  const notes: string[] = [];
  for (const place of places) {
    const { publicKey, text, part } = place;
    const endpoint = parseEndpoint(text) ?? endpointOfName(place, found.get(hostOf(text)) ?? []);
    if (endpoint === undefined) notes.push(`${part}: ${whyUnused(text)}`);
    const isFirst = !endpoints.has(publicKey) && (endpoint !== undefined || !written.has(publicKey));
    if (!isFirst) continue;
    if (endpoint !== undefined) endpoints.set(publicKey, endpoint);
    if (parseEndpoint(text) === undefined) written.set(publicKey, text);
    else written.delete(publicKey);
  }
  return { endpoints, written, notes };
}

function endpointOfName({ text, family }: WrittenPlace, found: readonly string[]): Endpoint | undefined {
  const port = Number(text.slice(text.lastIndexOf(":") + 1));
  const endpoints = found.flatMap((one) => endpointOf(parseAddress(one), port) ?? []);
  return endpoints.find((one) => family === undefined || one.family === family);
}

function whyUnused(text: string): string {
  return hasZone(text)
    ? `${text} is not used, because its address has a zone (%): a peer on the same LAN is found without it`
    : `${hostOf(text)} cannot be looked up now`;
}

/** Whether a text is an address that holds on one network card only, as in `[fe80::1%eth0]:51820`. */
function hasZone(text: string): boolean {
  const [, address = "", port = ""] = /^\[([^\]%]+)%[\w.-]{1,15}\]:(\d{1,5})$/.exec(text) ?? [];
  return parseEndpoint(`[${address}]:${port}`) !== undefined;
}

function isNamed(text: string): boolean {
  return parseEndpoint(text) === undefined && !hasZone(text);
}

function hostOf(text: string): string {
  return text.slice(0, text.lastIndexOf(":"));
}
