import { EventEmitter } from "node:events";
import { leavesBy, type Network, type Route } from "../device/network.js";
import type { NatVerdict } from "../info.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, endpointOf, formatEndpoint } from "../ip/endpoint.js";
import { formatPrefix, type Prefix } from "../ip/prefix.js";
import { roundedMs } from "../rounded.js";
import type { Candidate } from "./candidate.js";
import { Gathered } from "./gather.js";
import { type LocalAddress, localAddresses, type ReportedInterfaces } from "./interfaces.js";
import type { StunClient } from "./stun-client.js";

/** The events of the own addresses. */
interface OwnAddressesEvents {
  /** The own addresses or what STUN servers see have changed. */
  changed: [];
  /** A STUN server saw this host at an address that was not known. */
  seen: [seen: { readonly server: string; readonly endpoint: string; readonly roundTripMs: number }];
}

/** An outside address that was asked for within this time is not asked for again, in ms. */
const FRESH_MS = 5000;

/**
 * The longest prefix of a route to the internet. VPNs set two halves of all addresses instead of the default route, or
 * 2000::/3, which contains all public IPv6 addresses.
 */
const MAX_OUTWARD_BITS = 3;

/** How often STUN servers are asked, in ms: while paths are known (Tailscale: 20 to 26 s), and otherwise. */
const ACTIVE_MS = 25_000;
const QUIET_MS = 300_000;

/** The addresses of this host: the addresses of its interfaces, and the addresses that STUN servers see. */
export class OwnAddresses extends EventEmitter<OwnAddressesEvents> {
  readonly #overlay: string;
  readonly #reported: ReportedInterfaces | undefined;
  readonly #stun: StunClient;
  readonly #gathered = new Gathered();
  #locals: readonly LocalAddress[] | undefined;
  #routes: readonly Route[] = [];
  /** The own addresses, WireGuard's port and the routes to the internet at the last look. */
  #place: string | undefined;
  /** The rules that choose a routing table, at the last look; undefined before they were read. */
  #rules: string | undefined;
  #nat: NatVerdict = "unknown";
  readonly #isActive: () => boolean;
  readonly #isNeeded: () => boolean;
  #askedAt = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;
  readonly #ending = new AbortController();
  #asking: Promise<void> | undefined;
  /** Whether asking has stopped because nobody needs the answers. */
  #isResting = false;

  /**
   * @param overlay - the name of the WireGuard interface, whose addresses are left out
   * @param isActive - whether paths to peers are known
   * @param reported - the interfaces that count. Default: all
   * @param isNeeded - whether the STUN servers must be asked regularly. Default: always
   */
  constructor(
    overlay: string,
    stun: StunClient,
    isActive: () => boolean,
    reported?: ReportedInterfaces,
    isNeeded: () => boolean = () => true,
  ) {
    super();
    this.#isNeeded = isNeeded;
    this.#reported = reported;
    this.#isActive = isActive;
    this.#overlay = overlay;
    this.#stun = stun;
  }

  /** The behaviour of the NATs before this host. */
  get nat(): NatVerdict {
    return this.#nat;
  }

  /** The addresses to bind sockets to. */
  get local(): readonly string[] {
    return (this.#locals ?? []).map(({ address }) => address);
  }

  /** The directly connected networks. */
  get networks(): readonly Prefix[] {
    return (this.#locals ?? []).map(({ network }) => network);
  }

  candidates(): Candidate[] {
    return this.#gathered.candidates(performance.now());
  }

  /**
   * Takes over the current interfaces and routes of the host.
   * @param listenPort - WireGuard's own port
   * @returns `"moved"` when the host has other addresses, another port, other routes or other rules than before;
   * `"changed"` when only its candidates have changed
   */
  look({ links, routes, rules = this.#rules }: Network, listenPort: number): "moved" | "changed" | undefined {
    const before = this.#place;
    this.#routes = routes;
    this.#locals = localAddresses(links, routes, this.#overlay, this.#reported);
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
    // The first rules that are read are no move.
    const isRuledOtherwise = this.#rules !== undefined && this.#rules !== rules;
    this.#rules = rules;
    if ((before !== undefined && before !== this.#place) || isRuledOtherwise) {
      this.#askedAt = Number.NEGATIVE_INFINITY;
      return "moved";
    }
    return isChanged ? "changed" : undefined;
  }

  /** Takes over the outside ports that gateways have mapped. */
  mapped(endpoints: readonly Endpoint[]): void {
    if (this.#gathered.found("mapped", endpoints)) this.emit("changed");
  }

  /** Asks the STUN servers now, and regularly afterwards. Callers during a round share it. */
  ask(): Promise<void> {
    clearTimeout(this.#timer);
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined;
      clearTimeout(this.#timer);
      if (this.#ending.signal.aborted) return;
      this.#rest();
    });
    return this.#asking;
  }

  /** Must be called when the servers may have to be asked again after a time in which nobody needed the answers. */
  needed(): void {
    if (!this.#isResting || !this.#isNeeded()) return;
    this.#isResting = false;
    void this.refresh();
  }

  /** Stops asking. */
  close(): void {
    this.#ending.abort();
    clearTimeout(this.#timer);
  }

  /** Removes the candidates that are only reached through the tunnel. */
  reachable(candidates: readonly Candidate[]): Candidate[] {
    return candidates.filter(({ endpoint }) => !this.isBehindTunnel(endpoint));
  }

  /** Asks the STUN servers, unless they were asked a short time ago. */
  async refresh(): Promise<void> {
    if (this.#asking !== undefined || performance.now() - this.#askedAt > FRESH_MS) await this.ask();
  }

  /** Whether packets to an address would go through the tunnel. An answer from such an address proves no path. */
  isBehindTunnel({ address }: Endpoint): boolean {
    const bytes = parseAddress(address);
    return bytes === undefined || leavesBy(this.#overlay, this.#routes, bytes);
  }

  /** Waits until the next time. If nobody needs the answers then, waits for {@link needed}. */
  #rest(): void {
    this.#timer = setTimeout(
      () => {
        this.#isResting = !this.#isNeeded();
        if (!this.#isResting) void this.ask();
      },
      this.#isActive() ? ACTIVE_MS : QUIET_MS,
    );
  }

  async #ask(): Promise<void> {
    this.#askedAt = performance.now();
    const { verdict } = await this.#stun.ask(this.local, {
      signal: this.#ending.signal,
      // Each answer is used at once, so that a server that is down does not delay the others.
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
