import { checkHostPort } from "../config/parts.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, endpointOf, parseEndpoint } from "../ip/endpoint.js";

/** How many different names a configuration may have looked up at the start. */
const MAX_NAMES = 256;

/** Looks a name up. @returns its addresses as texts; none when it cannot be looked up */
export type LookUpHost = (host: string) => Promise<readonly string[]>;

/** A place as it is written, and the peer that it is of. */
export interface WrittenPlace {
  /** base64. */
  readonly publicKey: string;
  /** `HOST:PORT`, its host a name or an address. */
  readonly text: string;
  /** Where it stands, for errors. */
  readonly part: string;
}

/** Where peers may be, as far as it is known now. */
export interface Places {
  /** The first of each peer, by its public key. */
  readonly endpoints: ReadonlyMap<string, Endpoint>;
  /** Names that could not be looked up, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Looks up where peers may be. A name that is not known now does not keep anything from starting: a peer is found
 * without it.
 * @throws {@link MeshError} `INVALID_OPTION` for what is no `HOST:PORT`
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
