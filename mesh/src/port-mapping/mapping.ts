import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { PortMappingInfo } from "../info.js";
import { parseAddress } from "../ip/address.js";
import { type Endpoint, endpointOf, formatEndpoint } from "../ip/endpoint.js";
import { isReachable, scopeOf } from "../ip/scope.js";
import { findMappers, type GatewayPorts } from "./finder.js";
import type { Gateway } from "./gateway.js";
import { GatewayEpoch } from "./gateway-epoch.js";
import { type GatewayNews, hearNews } from "./gateway-news.js";
import { GatewaySocket } from "./gateway-socket.js";
import { LEASE_S, LeaseClock } from "./lease-clock.js";
import { type Granted, type Mapper, Refused, type Wish } from "./mapper.js";
import type { KeptMapping, MappingFile } from "./mapping-file.js";
import { MAX_WISHES, nextWish, randomPort } from "./wishes.js";

/** How long the gateway may take to remove a mapping at the end or before a change, in ms. */
const REMOVE_MS = 1000;
/** The longest wait, in ms: a timer of Node cannot exceed 2^31 ms. */
const MAX_WAIT_MS = 3_600_000;

/** The place of a wanted mapping. */
export interface MappingPlace {
  readonly gateway: Gateway;
  /** WireGuard's own port. */
  readonly internalPort: number;
}

export interface MappingMeans {
  readonly file: MappingFile;
  /** The lifetime to ask for, in seconds. Default: 7200. */
  readonly lifetimeS?: number | undefined;
  readonly ports?: GatewayPorts | undefined;
  /** The outside port to ask for first, in IPv4. Default: any port. */
  readonly externalPort?: number | undefined;
  /** Called when {@link Mapping.endpoint} has changed. */
  readonly onChanged: () => void;
  /** Returns Unix ms. */
  readonly getTime: () => number;
}

/** The current mapping. */
interface Held {
  readonly mapper: Mapper;
  readonly wish: Wish;
  readonly external: Endpoint | undefined;
}

/** One mapping at the gateway of one family: it is found, made, renewed and removed. */
export class Mapping {
  readonly #means: MappingMeans;
  readonly #clock = new LeaseClock();
  readonly #epoch = new GatewayEpoch();
  #place: MappingPlace | undefined;
  #held: Held | undefined;
  /** The last request to the gateway. The mapping may exist even if there was no answer. */
  #asked: { readonly mapper: Mapper; readonly wish: Wish } | undefined;
  #error: string | undefined;
  #abort = new AbortController();
  #wake = new AbortController();
  #running: Promise<void> = Promise.resolve();
  /** Mappings at gateways that were left are being removed until this resolves. */
  #leaving: Promise<unknown> = Promise.resolve();

  constructor(means: MappingMeans) {
    this.#means = means;
  }

  /**
   * The endpoint where peers reach this host by the mapping; undefined when there is none, or the gateway names a
   * useless address.
   */
  get endpoint(): Endpoint | undefined {
    const external = this.#held?.external;
    return external !== undefined && isGlobal(external) ? external : undefined;
  }

  info(): PortMappingInfo | undefined {
    const { gateway, internalPort } = this.#place ?? {};
    if (gateway === undefined || internalPort === undefined) return undefined;
    const external = this.#held?.external;
    const left = this.#clock.leftMs(performance.now());
    return {
      family: gateway.family,
      gateway: gateway.address,
      internalPort,
      protocol: this.#held?.mapper.protocol,
      external: external && formatEndpoint(external),
      isHint: external !== undefined && !isGlobal(external),
      endsAt:
        this.#held === undefined || left === undefined || !Number.isFinite(left)
          ? undefined
          : this.#means.getTime() + left,
      error: this.#error,
    };
  }

  /** Sets the place of the wanted mapping; undefined for none. */
  want(place: MappingPlace | undefined): void {
    if (JSON.stringify(place) === JSON.stringify(this.#place)) return;
    this.#place = place;
    this.#abort.abort(new Error("elsewhere"));
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    this.#running = this.#running.then(async () => {
      if (place !== undefined && !signal.aborted) await this.#run(place, signal);
    });
  }

  /** Must be called when the mapping may be gone. The gateway is asked at once. */
  again(): void {
    this.#clock.again();
    this.#wake.abort();
  }

  /** Removes the mapping. Resolves when the gateway has done so, or after 1 s. */
  async close(): Promise<void> {
    this.want(undefined);
    await this.#running;
    await this.#leaving;
  }

  async #run(place: MappingPlace, signal: AbortSignal): Promise<void> {
    this.#clock.again();
    this.#epoch.forget();
    const stopHearing = hearNews(place.gateway, (news) => this.#hear(news), this.#means.ports?.news);
    let socket: GatewaySocket | undefined;
    try {
      while (!signal.aborted) {
        await this.#wait(signal);
        if (signal.aborted) break;
        try {
          socket ??= await GatewaySocket.open(place.gateway);
          await this.#ask(place, socket, signal);
          this.#error = undefined;
        } catch (error) {
          if (signal.aborted) break;
          this.#failed(error);
        }
      }
    } finally {
      stopHearing();
      const released = this.#release(place).then(async () => await socket?.close());
      // The old gateway is mostly out of reach after a move. The new one must not wait for that.
      if (this.#isAt(place)) await released;
      else this.#leaving = Promise.all([this.#leaving, released]);
    }
  }

  /** Whether the mapping is still wanted at the same gateway, or nowhere. */
  #isAt({ gateway }: MappingPlace): boolean {
    const { address, own } = this.#place?.gateway ?? gateway;
    return address === gateway.address && own === gateway.own;
  }

  /** The gateway has restarted or has another outside address, so the mapping is asked for again. */
  #hear({ epochS, address }: GatewayNews): void {
    const now = performance.now();
    const hasForgotten = this.#epoch.says(epochS, now);
    const outside = parseAddress(this.#held?.external?.address ?? "");
    const isElsewhere =
      address !== undefined && outside !== undefined && Buffer.compare(address, outside) !== 0;
    if (!hasForgotten && !isElsewhere) return;
    this.#clock.forgotten(now);
    this.#wake.abort();
  }

  /** Waits until the gateway must be asked. */
  async #wait(signal: AbortSignal): Promise<void> {
    for (;;) {
      const ms = this.#clock.dueAt - performance.now();
      if (ms <= 0 || signal.aborted) return;
      this.#wake = new AbortController();
      const either = AbortSignal.any([signal, this.#wake.signal]);
      await delay(Math.min(ms, MAX_WAIT_MS), undefined, { signal: either, ref: false }).catch(() => {});
    }
  }

  async #ask(place: MappingPlace, socket: GatewaySocket, signal: AbortSignal): Promise<void> {
    const held = this.#held;
    if (held !== undefined && this.#clock.isValid(performance.now())) {
      try {
        await this.#grantedBy(place, held.mapper, held.wish, signal);
        return;
      } catch (error) {
        // Without an answer there may still be a mapping. After a refusal there is none, so a new one is sought.
        if (!(error instanceof Refused)) throw error;
        await held.mapper.unmap(held.wish, signal).catch(() => {});
        await this.#giveUp(place, held.mapper, held.wish, error, signal);
      }
    }
    this.#hold(undefined);
    const { lifetimeS = LEASE_S, ports } = this.#means;
    const mappers = await findMappers(place.gateway, socket, lifetimeS, signal, ports);
    const old = await this.#clean(place, mappers, signal);
    // The protocol that was used before the last end goes first, so that there are never two mappings.
    const ordered = mappers.toSorted(
      (a, b) => Number(b.protocol === old?.protocol) - Number(a.protocol === old?.protocol),
    );
    let last: unknown = new Error("the gateway maps no ports, or does not say so");
    for (const mapper of ordered) {
      let wish: Wish | undefined = wishFor(place, old, this.#means.externalPort);
      for (let i = 0; wish !== undefined && i < MAX_WISHES; i++) {
        try {
          await this.#grantedBy(place, mapper, wish, signal);
          return;
        } catch (error) {
          last = error;
          if (signal.aborted) throw error;
          await this.#giveUp(place, mapper, wish, error, signal);
          wish = error instanceof Refused ? nextWish(wish, error.instead, Math.random()) : undefined;
        }
      }
    }
    throw last;
  }

  /** Asks for a mapping that was written to the file before. */
  async #grantedBy(place: MappingPlace, mapper: Mapper, wish: Wish, signal: AbortSignal): Promise<void> {
    const { file, getTime, lifetimeS = LEASE_S } = this.#means;
    const kept = (one: Wish, seconds: number | undefined): KeptMapping => ({
      ...keptOf(place, mapper, one),
      ...(seconds === undefined ? {} : { endsAt: getTime() + seconds * 1000 }),
    });
    await file.keep(kept(wish, wish.isPermanent ? undefined : lifetimeS));
    this.#asked = { mapper, wish };
    const granted = await mapper.map(wish, signal);
    const now = performance.now();
    if (granted.epochS !== undefined) this.#epoch.says(granted.epochS, now);
    const asGranted: Wish = {
      ...wish,
      externalPort: granted.externalPort,
      isPermanent: wish.isPermanent || granted.lifetimeS === undefined,
    };
    this.#asked = { mapper, wish: asGranted };
    await file.keep(kept(asGranted, granted.lifetimeS));
    this.#clock.granted(granted.lifetimeS, now, Math.random());
    this.#hold({ mapper, wish: asGranted, external: externalOf(granted) });
  }

  /** A refused mapping does not exist. One without an answer may exist. */
  async #giveUp(
    place: MappingPlace,
    mapper: Mapper,
    wish: Wish,
    error: unknown,
    signal: AbortSignal,
  ): Promise<void> {
    if (!(error instanceof Refused)) await mapper.unmap(wish, signal);
    this.#asked = undefined;
    await this.#means.file.forget(keptOf(place, mapper, wish));
  }

  /**
   * Removes mappings of earlier starts at this gateway, except the wanted one.
   * @returns the wanted one
   */
  async #clean(
    { gateway, internalPort }: MappingPlace,
    mappers: readonly Mapper[],
    signal: AbortSignal,
  ): Promise<KeptMapping | undefined> {
    const { file } = this.#means;
    let old: KeptMapping | undefined;
    for (const one of file.mappings) {
      if (one.gateway !== gateway.address || one.family !== gateway.family || one.own !== gateway.own)
        continue;
      const mapper = mappers.find(({ protocol }) => protocol === one.protocol);
      if (mapper === undefined) continue;
      if (one.internalPort === internalPort && old === undefined) {
        old = one;
        continue;
      }
      try {
        await mapper.unmap(wishOf(one), signal);
        await file.forget(one);
      } catch {
        // The mapping ends by itself, or its removal is tried again later.
      }
    }
    return old;
  }

  async #release(place: MappingPlace): Promise<void> {
    const asked = this.#asked;
    this.#asked = undefined;
    this.#hold(undefined);
    if (asked === undefined) return;
    try {
      await asked.mapper.unmap(asked.wish, AbortSignal.timeout(REMOVE_MS));
      await this.#means.file.forget(keptOf(place, asked.mapper, asked.wish));
    } catch {
      // The gateway cannot be reached any more. The mapping stays in the file for the next time.
    }
  }

  #failed(error: unknown): void {
    const now = performance.now();
    const message = error instanceof Error ? error.message : String(error);
    this.#clock.failed(now);
    if (!this.#clock.isValid(now)) this.#hold(undefined);
    if (this.#error === message) return;
    this.#error = message;
  }

  #hold(held: Held | undefined): void {
    const before = this.endpoint;
    this.#held = held;
    const after = this.endpoint;
    if ((before && formatEndpoint(before)) !== (after && formatEndpoint(after))) this.#means.onChanged();
  }
}

/**
 * The outside endpoint according to the gateway. An address that no host can have is left out; a private one is only a
 * hint.
 */
function externalOf({ address, externalPort }: Granted): Endpoint | undefined {
  return address !== undefined && isReachable(address) ? endpointOf(address, externalPort) : undefined;
}

function isGlobal({ address }: Endpoint): boolean {
  const bytes = parseAddress(address);
  return bytes !== undefined && scopeOf(bytes) === "global";
}

function wishFor(
  { internalPort, gateway }: MappingPlace,
  old: KeptMapping | undefined,
  wanted: number | undefined,
): Wish {
  const isWanted = wanted === undefined || gateway.family === 6 || old?.externalPort === wanted;
  if (old !== undefined && isWanted) return wishOf(old);
  return {
    internalPort,
    // An IPv6 pinhole has the same port on both sides.
    externalPort: gateway.family === 6 ? internalPort : (wanted ?? randomPort(Math.random())),
    nonce: new Uint8Array(randomBytes(12)),
    isPermanent: false,
  };
}

function wishOf({ internalPort, externalPort, nonce, isPermanent }: KeptMapping): Wish {
  return { internalPort, externalPort, isPermanent, nonce: new Uint8Array(Buffer.from(nonce, "hex")) };
}

function keptOf({ gateway }: MappingPlace, mapper: Mapper, wish: Wish): KeptMapping {
  return {
    protocol: mapper.protocol,
    family: gateway.family,
    gateway: gateway.address,
    own: gateway.own,
    internalPort: wish.internalPort,
    externalPort: wish.externalPort,
    nonce: Buffer.from(wish.nonce).toString("hex"),
    isPermanent: wish.isPermanent,
  };
}
