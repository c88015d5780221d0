import { isIPv6 } from "node:net";
import { lookUp } from "sidewire/node";
import { MeshError } from "../errors.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, endpointOf } from "../ip/endpoint.js";
import { scopeOf } from "../ip/scope.js";

const DEFAULT_PORT = 3478; // RFC 8489, section 18.6
const MAX_SERVERS = 16;
/**
 * The maximum number of addresses of a name that are asked, for each family. A name may have any number of addresses.
 */
const MAX_OF_FAMILY = 2;
/** How long the addresses of a name are reused, and how long to wait for a look-up; in ms. */
const FRESH_MS = 300_000;
const PATIENCE_MS = 1500;

/** A STUN server, by name or address. */
export interface StunServer {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads a list of STUN servers, each as `host:port`. The default port is 3478. An IPv6 address needs brackets.
 * @throws {@link MeshError} `INVALID_OPTION`
 */
export function parseStunServers(texts: readonly string[]): StunServer[] {
  if (texts.length > MAX_SERVERS)
    throw new MeshError("INVALID_OPTION", `stun: at most ${MAX_SERVERS} servers, not ${texts.length}`);
  return texts.map((text) => {
    const [, six, named, digits] = /^(?:\[([^\]]+)\]|([\w.-]{1,253}))(?::(\d{1,5}))?$/.exec(text) ?? [];
    const host = six ?? named;
    const port = digits === undefined ? DEFAULT_PORT : Number(digits);
    const isRight = host !== undefined && (six === undefined || isIPv6(six)) && port > 0 && port < 65_536;
    if (!isRight) throw new MeshError("INVALID_OPTION", `stun: "${text}" is not HOST:PORT`);
    return { host, port };
  });
}

/** Looks up a name. Resolves with all its addresses as texts, and rejects as soon as the signal fires. */
export type LookUp = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

interface Known {
  readonly addresses: readonly Uint8Array[];
  readonly at: number;
}

/**
 * The addresses of servers. Addresses are kept for five minutes, and longer while a name cannot be looked up: in a bad
 * network the name servers fail first.
 */
export class StunServerNames {
  readonly #lookUp: LookUp;
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();

  constructor(
    look: LookUp = (host, signal) => lookUp(host, [4, 6], signal),
    now: () => number = () => performance.now(),
  ) {
    this.#lookUp = look;
    this.#now = now;
  }

  /**
   * The endpoints of a server, found within 1.5 s. The list is empty when the name is still unknown then, or the signal
   * fires.
   */
  async endpointsOf({ host, port }: StunServer, signal: AbortSignal): Promise<Endpoint[]> {
    const literal = parseAddress(host);
    if (literal !== undefined) return usable([literal], port);
    const known = this.#known.get(host);
    if (known === undefined || this.#now() - known.at > FRESH_MS) await this.#look(host, signal);
    return usable(this.#known.get(host)?.addresses ?? [], port);
  }

  async #look(host: string, signal: AbortSignal): Promise<void> {
    try {
      const found = await this.#lookUp(host, AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]));
      const addresses = found.slice(0, 256).flatMap((text) => parseAddress(text) ?? []);
      if (addresses.length > 0) this.#known.set(host, { addresses, at: this.#now() });
    } catch {
      // The known addresses are kept.
    }
  }
}

function usable(addresses: readonly Uint8Array[], port: number): Endpoint[] {
  return [4, 16].flatMap((length) =>
    addresses
      .filter((address) => address.length === length)
      .filter((address) => !["reserved", "multicast", "link-local"].includes(scopeOf(address)))
      .slice(0, MAX_OF_FAMILY)
      .flatMap((address) => endpointOf(address, port) ?? []),
  );
}
