import { randomBytes } from "node:crypto";
import { isIPv6 } from "node:net";
import { setTimeout as wait } from "node:timers/promises";
import type { NatVerdict } from "../info.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, formatEndpoint } from "../ip/endpoint.js";
import { isReachable, scopeOf } from "../ip/scope.js";
import type { PacketSender } from "../probe/prober.js";
import { StunMessage, StunType, TRANSACTION_BYTES, writeStun } from "../probe/stun-message.js";
import { type Sighting, verdictOf } from "./nat.js";
import { type LookUp, parseStunServers, type StunServer, StunServerNames } from "./stun-servers.js";

/** When a request is repeated, in ms after the first one: the pauses grow by 100 ms, as in Tailscale's first round. */
const SEND_AT_MS = [0, 100, 300, 600, 1000] as const;
const GIVEN_UP_MS = 1500;
/** The maximum time of a round, including the look-up of names, in ms. */
const ROUND_MS = 3000;
/** How much longer to wait for other uplinks than for the one that the kernel chooses, in ms. */
const OTHERS_MS = 100;
/** After this number of rounds without any answer, UDP counts as blocked and not only as slow. */
const BLOCKED_ROUNDS = 3;
/** The maximum number of own addresses to ask from, besides the one that the kernel chooses. */
const MAX_LOCALS = 8;

/** What a server saw of this host. */
export interface SeenAddress extends Sighting {
  /** The own address that was asked from; undefined when the kernel chose the address. */
  readonly local: string | undefined;
  readonly roundTripMs: number;
}

/** The result of a round. */
export interface StunReport {
  /** The answers in the order in which they came. */
  readonly seen: readonly SeenAddress[];
  /** The verdict for the uplink that the kernel chooses; for IPv4 if it works. */
  readonly verdict: NatVerdict;
}

interface Request {
  readonly server: Endpoint;
  readonly sentAt: number;
  readonly answered: (seen: Endpoint) => void;
}

/** Asks STUN servers (RFC 8489) how the own ports look from outside. The requests use the sockets of the probes. */
export class StunClient {
  readonly #servers: readonly StunServer[];
  readonly #sender: PacketSender;
  readonly #names: StunServerNames;
  readonly #now: () => number;
  /** The unanswered requests, by transaction. */
  readonly #requests = new Map<string, Request>();
  #silentRounds = 0;

  /**
   * @param servers - each as `host:port`
   * @param options.now - monotonic ms
   * @throws {@link MeshError} `INVALID_OPTION`
   */
  constructor(
    servers: readonly string[],
    sender: PacketSender,
    options: { readonly lookUp?: LookUp; readonly now?: () => number } = {},
  ) {
    this.#servers = parseStunServers(servers);
    this.#sender = sender;
    this.#now = options.now ?? (() => performance.now());
    this.#names = new StunServerNames(options.lookUp, this.#now);
  }

  /**
   * Handles a packet.
   * @returns whether the packet answers a request and comes from the server that was asked
   */
  receive(bytes: Uint8Array, remote: Endpoint): boolean {
    const message = StunMessage.read(bytes);
    if (message?.type !== StunType.BindingSuccess) return false;
    const request = this.#requests.get(keyOf(message.transaction));
    if (request === undefined || formatEndpoint(request.server) !== formatEndpoint(remote)) return false;
    const seen = message.mappedAddress;
    if (seen?.family === remote.family && isTrue(seen, remote)) request.answered(seen);
    return true;
  }

  /**
   * Asks all servers once: from the address that the kernel chooses, and from each own address. Resolves when the first
   * result is known, or after 3 s; never rejects.
   * @param locals - the own addresses
   * @param options.onSeen - called for each answer as it comes
   */
  async ask(
    locals: readonly string[],
    options: { readonly signal?: AbortSignal; readonly onSeen?: (seen: SeenAddress) => void } = {},
  ): Promise<StunReport> {
    const seen: SeenAddress[] = [];
    const ending = new AbortController();
    const signals = [ending.signal, AbortSignal.timeout(ROUND_MS)];
    if (options.signal !== undefined) signals.push(options.signal);
    const over = AbortSignal.any(signals);
    const take = (one: SeenAddress | undefined): void => {
      if (one === undefined || ending.signal.aborted) return;
      seen.push(one);
      options.onSeen?.(one);
    };
    const ways = [undefined, ...locals.slice(0, MAX_LOCALS)];
    const rounds = this.#servers.map(async (server) => {
      const endpoints = await this.#names.endpointsOf(server, over);
      const asked = ways.map((local) =>
        Promise.all(
          endpoints
            .filter(({ family }) => local === undefined || isIPv6(local) === (family === 6))
            .map(async (endpoint) => take(await this.#askOne(endpoint, local, over))),
        ),
      );
      return { first: asked[0], all: Promise.all(asked) };
    });
    const all = Promise.all(rounds.map(async (round) => (await round).all));
    await Promise.all(rounds.map(async (round) => (await round).first));
    await Promise.race([all, wait(OTHERS_MS, undefined, { signal: over }).catch(() => {})]);
    ending.abort();
    this.#silentRounds = seen.length > 0 ? 0 : this.#silentRounds + (options.signal?.aborted ? 0 : 1);
    return { seen, verdict: this.#verdict(seen, locals) };
  }

  #verdict(seen: readonly SeenAddress[], locals: readonly string[]): NatVerdict {
    if (this.#silentRounds >= BLOCKED_ROUNDS && this.#servers.length > 0) return "blocked";
    const first = seen.filter(({ local }) => local === undefined);
    const four = first.filter(({ server }) => server.family === 4);
    return verdictOf(four.length > 0 ? four : first, locals);
  }

  async #askOne(
    server: Endpoint,
    local: string | undefined,
    signal: AbortSignal,
  ): Promise<SeenAddress | undefined> {
    const transaction = new Uint8Array(randomBytes(TRANSACTION_BYTES));
    const bytes = writeStun(StunType.BindingRequest, transaction, []);
    const key = keyOf(transaction);
    const answered = new AbortController();
    const over = AbortSignal.any([answered.signal, signal]);
    const sentAt = this.#now();
    let found: SeenAddress | undefined;
    this.#requests.set(key, {
      server,
      sentAt,
      answered: (seen) => {
        found ??= { server, seen, local, roundTripMs: this.#now() - sentAt };
        answered.abort();
      },
    });
    for (const [i, at] of SEND_AT_MS.entries()) {
      // Without a socket for this address no answer can come.
      if (over.aborted || !this.#sender.send(bytes, server, local)) break;
      await wait((SEND_AT_MS[i + 1] ?? GIVEN_UP_MS) - at, undefined, { signal: over }).catch(() => {});
    }
    this.#requests.delete(key);
    return found;
  }
}

/** Whether a server can have seen this address. A loopback address can only be seen from a loopback address. */
function isTrue(seen: Endpoint, server: Endpoint): boolean {
  const [address, from] = [parseAddress(seen.address), parseAddress(server.address)];
  if (address === undefined || from === undefined) return false;
  return isReachable(address) || (scopeOf(address) === "loopback" && scopeOf(from) === "loopback");
}

function keyOf(transaction: Uint8Array): string {
  return Buffer.from(transaction.buffer, transaction.byteOffset, transaction.byteLength).toString("latin1");
}
