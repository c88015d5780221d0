import { isIPv6 } from "node:net";
import { lookUp } from "sidewire/node";
import { MeshError } from "../errors.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, endpointOf } from "../ip/endpoint.js";
import { scopeOf } from "../ip/scope.js";

const DEFAULT_PORT = 3478; // RFC 8489, section 18.6
const MAX_SERVERS = 16;
/** How many addresses of a name are asked, of each family: a name may have any number. */
const MAX_OF_FAMILY = 2;
/** How long a name's addresses are taken for true, ms, and how long an answer is waited for. */
const FRESH_MS = 300_000;
const PATIENCE_MS = 1500;

/** A STUN server, by name or address. */
export interface StunServer {
  readonly host: string;
  readonly port: number;
}

/**
 * A list of STUN servers from `host:port` each; the port is 3478 when there is none, an IPv6 address has brackets.
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

/** Looks a name up: all its addresses, as texts. Rejects as soon as the signal fires. */
export type LookUp = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

interface Known {
  readonly addresses: readonly Uint8Array[];
  readonly at: number;
}

/**
 * The addresses of servers. What a name stood for is kept for five minutes, and longer while it cannot be looked up:
 * name servers fail first where a network is bad.
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

  /** Where a server is asked, within 1.5 s; empty when its name is not known by then, or the signal fires. */
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
      // What was known stays.
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
