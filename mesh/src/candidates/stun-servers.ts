import { lookup } from "node:dns/promises";
import { isIPv6 } from "node:net";
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

/** Looks a name up: all its addresses, as texts. */
export type LookUp = (host: string) => Promise<readonly string[]>;

const systemLookUp: LookUp = async (host) =>
  (await lookup(host, { all: true, verbatim: true })).map(({ address }) => address);

interface Known {
  addresses: readonly Uint8Array[];
  at: number;
  looking: Promise<void> | undefined;
}

/**
 * The addresses of servers. What a name stood for is kept for five minutes, and longer while it cannot be looked up:
 * name servers fail first where a network is bad.
 */
export class StunServerNames {
  readonly #lookUp: LookUp;
  readonly #now: () => number;
  readonly #known = new Map<string, Known>();

  constructor(lookUp: LookUp = systemLookUp, now: () => number = () => performance.now()) {
    this.#lookUp = lookUp;
    this.#now = now;
  }

  /** Where a server is asked, within 1.5 s; empty when its name is not known by then, or the signal fires. */
  async endpointsOf({ host, port }: StunServer, signal?: AbortSignal): Promise<Endpoint[]> {
    const literal = parseAddress(host);
    if (literal !== undefined) return usable([literal], port);
    const known = this.#known.get(host) ?? {
      addresses: [],
      at: Number.NEGATIVE_INFINITY,
      looking: undefined,
    };
    this.#known.set(host, known);
    if (this.#now() - known.at > FRESH_MS) {
      // A call of the system's resolver cannot be ended: it goes on, once, and what it finds serves the next.
      known.looking ??= this.#look(host, known);
      await within(known.looking, PATIENCE_MS, signal);
    }
    return usable(known.addresses, port);
  }

  async #look(host: string, known: Known): Promise<void> {
    try {
      const found = await this.#lookUp(host);
      const addresses = found.slice(0, 256).flatMap((text) => parseAddress(text) ?? []);
      if (addresses.length > 0) Object.assign(known, { addresses, at: this.#now() });
    } catch {
      // What was known stays.
    } finally {
      known.looking = undefined;
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

/** Resolves when the work is done, the time is over or the signal fires, whichever is first. */
async function within(work: Promise<void>, ms: number, signal?: AbortSignal): Promise<void> {
  const over = AbortSignal.any([AbortSignal.timeout(ms), ...(signal === undefined ? [] : [signal])]);
  if (over.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      over.removeEventListener("abort", done);
      resolve();
    };
    over.addEventListener("abort", done);
    work.then(done, done);
  });
}
