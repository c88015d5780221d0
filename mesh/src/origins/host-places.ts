import { checkHostPort } from "../config/parts.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, endpointOf, parseEndpoint } from "../ip/endpoint.js";

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
  /** The position in the configuration, for errors. */
  readonly part: string;
}

/** The places of peers that are known now. */
export interface Places {
  /** The first place of each peer, by the public key of the peer. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** A sentence for each place whose name could not be looked up. */
  readonly notes: readonly string[];
}

/**
 * Looks up the places of peers. A name that cannot be looked up is no error, because peers find each other without it,
 * too.
 * @throws {@link MeshError} `INVALID_OPTION` for a text that is not `HOST:PORT`
 */
export async function findPlaces(written: readonly WrittenPlace[], lookUp: LookUpHost): Promise<Places> {
  for (const { text, part } of written) checkHostPort(text, part);
  const names = [
    ...new Set(
      written.filter(({ text }) => parseEndpoint(text) === undefined).map(({ text }) => hostOf(text)),
    ),
  ].slice(0, MAX_NAMES);
  const found = new Map(
    await Promise.all(names.map(async (name) => [name, await lookUp(name).catch(() => [])] as const)),
  );
  const endpoints = new Map<string, Endpoint>();
  const notes: string[] = [];
  for (const { publicKey, text, part } of written) {
    const literal = parseEndpoint(text);
    const port = Number(text.slice(text.lastIndexOf(":") + 1));
    const addresses = (found.get(hostOf(text)) ?? []).flatMap((one) => parseAddress(one) ?? []);
    const [endpoint] = literal === undefined ? addresses.map((one) => endpointOf(one, port)) : [literal];
    if (endpoint === undefined) notes.push(`${part}: ${hostOf(text)} cannot be looked up now`);
    else if (!endpoints.has(publicKey)) endpoints.set(publicKey, endpoint);
  }
  return { endpoints, notes };
}

function hostOf(text: string): string {
  return text.slice(0, text.lastIndexOf(":"));
}
