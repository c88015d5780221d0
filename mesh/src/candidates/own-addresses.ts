import { EventEmitter } from "node:events";
import { type Link, leavesBy, type Route } from "../device/network.js";
import type { NatVerdict } from "../info.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, endpointOf, formatEndpoint } from "../ip/endpoint.js";
import { formatPrefix, type Prefix } from "../ip/prefix.js";
import { roundedMs } from "../rounded.js";
import type { Candidate } from "./candidate.js";
import { Gathered } from "./gather.js";
import { type LocalAddress, localAddresses } from "./interfaces.js";
import type { StunClient } from "./stun-client.js";

/** What own addresses tell. */
interface OwnAddressesEvents {
  /** What STUN servers see is something else than before. */
  changed: [];
  /** A server sees us where none did before. */
  seen: [seen: { readonly server: string; readonly endpoint: string; readonly roundTripMs: number }];
}

/** What is known of the own outside address is good for so long before it is asked for again on occasion, ms. */
const FRESH_MS = 5000;

/**
 * The longest prefix of a route to the outside: VPNs put the halves of all addresses before the default route, or
 * 2000::/3, which is what is public of IPv6.
 */
const MAX_OUTWARD_BITS = 3;

/** How often STUN servers are asked, ms: while paths are known (Tailscale: 20 to 26 s), and while all is quiet. */
const ACTIVE_MS = 25_000;
const QUIET_MS = 300_000;

/** Where this host is, and where it may be reached: its own addresses, and what STUN servers see. */
export class OwnAddresses extends EventEmitter<OwnAddressesEvents> {
  readonly #overlay: string;
  readonly #stun: StunClient;
  readonly #gathered = new Gathered();
  #locals: readonly LocalAddress[] | undefined;
  #routes: readonly Route[] = [];
  /** The own addresses, WireGuard's port and the ways out, as they were last. */
  #place: string | undefined;
  #nat: NatVerdict = "unknown";
  readonly #isActive: () => boolean;
  #askedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  readonly #ending = new AbortController();
  #asking: Promise<void> | undefined;

  /**
   * @param overlay - the name of the WireGuard interface, whose addresses are none of these
   * @param isActive - whether paths to peers are known
   */
  constructor(overlay: string, stun: StunClient, isActive: () => boolean) {
    super();
    this.#isActive = isActive;
    this.#overlay = overlay;
    this.#stun = stun;
  }

  /** What the NATs before this host do. */
  get nat(): NatVerdict {
    return this.#nat;
  }

  /** The addresses that sockets are bound to. */
  get local(): readonly string[] {
    return (this.#locals ?? []).map(({ address }) => address);
  }

  /** What is directly connected. */
  get networks(): readonly Prefix[] {
    return (this.#locals ?? []).map(({ network }) => network);
  }

  candidates(): Candidate[] {
    return this.#gathered.candidates(performance.now());
  }

  /**
   * Takes in what the host's interfaces and routes are now.
   * @param listenPort - WireGuard's own
   * @returns whether the host has other addresses, another port or other ways out than before, or is to be reached
   * elsewhere all the same
   */
  look(
    links: readonly Link[],
    routes: readonly Route[],
    listenPort: number,
  ): "moved" | "changed" | undefined {
    const before = this.#place;
    this.#routes = routes;
    this.#locals = localAddresses(links, routes, this.#overlay);
    const hosts = this.local.flatMap((address) => endpointOf(parseAddress(address), listenPort) ?? []);
    const isChanged = this.#gathered.found("host", hosts);
    const out = routes
      .filter(
        ({ destination, devices }) =>
          destination.bits <= MAX_OUTWARD_BITS && !devices.includes(this.#overlay),
      )
      .map(({ destination, devices, gateway, metric }) => [
        formatPrefix(destination),
        devices,
        gateway,
        metric,
      ]);
    this.#place = JSON.stringify([this.local, listenPort, out]);
    if (before !== undefined && before !== this.#place) {
      this.#askedAt = Number.NEGATIVE_INFINITY;
      return "moved";
    }
    return isChanged ? "changed" : undefined;
  }

  /** The ports outside that gateways have mapped. */
  mapped(endpoints: readonly Endpoint[]): void {
    if (this.#gathered.found("mapped", endpoints)) this.emit("changed");
  }

  /** Asks the STUN servers, and again from time to time. Who asks while they are asked waits with the others. */
  ask(): Promise<void> {
    clearTimeout(this.#timer);
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
      clearTimeout(this.#timer);
      if (this.#ending.signal.aborted) return;
      this.#timer = setTimeout(() => void this.ask(), this.#isActive() ? ACTIVE_MS : QUIET_MS);
    });
    return this.#asking;
  }

  /** Asks no more. */
  close(): void {
    this.#ending.abort();
    clearTimeout(this.#timer);
  }

  /** Without those that are reached through the tunnel alone. */
  reachable(candidates: readonly Candidate[]): Candidate[] {
    return candidates.filter(({ endpoint }) => !this.isBehindTunnel(endpoint));
  }

  /** Asks them unless they were asked just before. */
  async refresh(): Promise<void> {
    if (this.#asking !== undefined || performance.now() - this.#askedAt > FRESH_MS) await this.ask();
  }

  /** Whether packets to an address would go through the tunnel: what answers there proves no path. */
  isBehindTunnel({ address }: Endpoint): boolean {
    const bytes = parseAddress(address);
    return bytes === undefined || leavesBy(this.#overlay, this.#routes, bytes);
  }

  async #ask(): Promise<void> {
    this.#askedAt = performance.now();
    const { verdict } = await this.#stun.ask(this.local, {
      signal: this.#ending.signal,
      // One server that is down does not delay what the others see.
      onSeen: ({ server, seen, roundTripMs }) => {
        const name = formatEndpoint(server);
        if (!this.#gathered.saw(name, seen, performance.now())) return;
        this.emit("seen", {
          server: name,
          endpoint: formatEndpoint(seen),
          roundTripMs: roundedMs(roundTripMs),
        });
        this.emit("changed");
      },
    });
    if (this.#nat === verdict || this.#ending.signal.aborted) return;
    this.#nat = verdict;
    this.emit("changed");
  }
}
