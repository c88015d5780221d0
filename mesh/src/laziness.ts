import type { Device } from "./device/device.js";
import type { DevicePeer, DeviceState } from "./device/state.js";
import { IdleWatch } from "./idle-watch.js";
import { type Endpoint, formatEndpoint } from "./ip/endpoint.js";
import { SESSION_MS } from "./path/constants.js";
import type { Peer } from "./peer.js";
import type { RestMessage } from "./rest-message.js";
import { LoopbackPort } from "./turn/loopback-port.js";

/** A tunnel ends after so long without data, ms. */
export const IDLE_MS = 900_000;

/** Of the idle time, what is enough for the one who is asked: two hosts do not look at the same moment. */
const ENOUGH = 0.9;

/** A peer that does not agree is asked again after this, ms. */
const ASK_AGAIN_MS = 60_000;

/** So many peers at most are woken to see whether they relay: relays themselves are not lazy, and come by themselves. */
const MAX_SOUGHT = 8;

/** WireGuard is looked at this often, ms, while it knocks without end: it does so every 5 s for each peer that is lost. */
const KNOCK_GAP_MS = 100;

/** What is used of a peer. */
export interface LazyPeer extends Pick<Peer, "isAsleep" | "sleep" | "wake"> {
  readonly machine: { snapshot(now: number): { readonly path: unknown } };
}

/** What laziness works with. Peers are named by their public keys, base64. */
export interface LazinessMeans {
  readonly device: Pick<Device, "read" | "rest" | "state">;
  readonly peers: ReadonlyMap<string, LazyPeer>;
  /** Default: {@link IDLE_MS}. */
  readonly idleMs?: number | undefined;
  /** Tells a peer by the path in use; resolves with whether the peer has it. */
  readonly tell: (name: string, message: RestMessage) => Promise<boolean>;
  readonly getTime: () => number;
  readonly onState: (state: DeviceState) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Peers have a tunnel only while it is used. One that sleeps has a port of ours as its endpoint: when a program sends it a
 * packet, WireGuard wants a session and sends there, and that wakes the peer. So does anything that the peer sends itself.
 *
 * Two hosts let their tunnel end together: the one asks, and does so when the other, which is as lazy and has seen no data
 * either, agrees. A peer that keeps its tunnel is never left.
 */
export class Laziness {
  readonly #means: LazinessMeans;
  readonly #idleMs: number;
  /** Of those that are awake. */
  readonly #watches = new Map<string, IdleWatch>();
  /** When each was asked last. */
  readonly #askedAt = new Map<string, number>();
  /** Those whose packets come to our port; and those for which this is being done. */
  readonly #resting = new Set<string>();
  readonly #beginning = new Set<string>();
  #port: LoopbackPort | undefined;
  #opening: Promise<LoopbackPort> | undefined;
  /** Who was woken to see whether it relays. */
  readonly #sought = new Set<string>();
  #reading: Promise<void> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #knocking: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(means: LazinessMeans) {
    this.#means = means;
    this.#idleMs = means.idleMs ?? IDLE_MS;
  }

  /** Whether a peer that is new here begins asleep: it has no session that is in use, maybe. */
  beginsAsleep({ lastHandshake }: DevicePeer): boolean {
    return lastHandshake === undefined || this.#means.getTime() - lastHandshake * 1000 > SESSION_MS;
  }

  /** A datagram of ours goes through the tunnel to a peer, or has come by it: that is no use of it. */
  pass(name: string, direction: "sent" | "received", bytes: number): void {
    this.#watches.get(name)?.pass(direction, bytes);
  }

  /** Takes in what WireGuard shows of all peers. */
  look({ peers }: DeviceState): void {
    if (this.#isClosed) return;
    const now = performance.now();
    this.#forgetOthers(peers);
    const tired: string[] = [];
    for (const shown of peers) {
      const { publicKey } = shown;
      const peer = this.#means.peers.get(publicKey);
      if (peer === undefined || this.#beginning.has(publicKey)) continue;
      if (peer.isAsleep) {
        this.#watches.delete(publicKey);
        if (this.#mustRest(shown)) tired.push(publicKey);
        else if (this.#isWanted(shown)) peer.wake();
      } else if (this.#isIdle(shown, now) && this.#mayLeave(publicKey, peer, now)) {
        peer.sleep();
        tired.push(publicKey);
      }
      if (!peer.isAsleep) this.#resting.delete(publicKey);
    }
    if (tired.length > 0) void this.#rest(tired);
  }

  /** A relay is wanted, and none is known: one of those that sleep may be one. */
  seekRelay(): void {
    for (const [name, peer] of this.#means.peers) {
      if (this.#sought.size >= MAX_SOUGHT) return;
      if (!peer.isAsleep || this.#sought.has(name)) continue;
      this.#sought.add(name);
      peer.wake();
    }
  }

  /** A peer speaks of the tunnel's end. */
  async hear(name: string, message: RestMessage): Promise<void> {
    const peer = this.#means.peers.get(name);
    const isEnough = (): boolean => {
      const idleMs = this.#watches.get(name)?.idleMs(performance.now()) ?? 0;
      return peer?.isAsleep === false && idleMs >= this.#idleMs * ENOUGH && !this.#isClosed;
    };
    if (!isEnough()) return;
    if (message === "ask" && !(await this.#means.tell(name, "agree"))) return;
    // It may have been used meanwhile.
    if (!isEnough()) return;
    peer?.sleep();
    await this.#rest([name]);
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#knocking);
    this.#port?.close();
  }

  #forgetOthers(peers: readonly DevicePeer[]): void {
    const there = new Set(peers.map(({ publicKey }) => publicKey));
    for (const all of [this.#watches, this.#askedAt, this.#resting])
      for (const name of all.keys()) if (!there.has(name)) all.delete(name);
  }

  /** It is to be told to WireGuard: it never was, or the interface was made anew since. */
  #mustRest({ publicKey, endpointText, sentBytes, receivedBytes }: DevicePeer): boolean {
    if (!this.#resting.has(publicKey)) return true;
    return endpointText === undefined && sentBytes + receivedBytes === 0;
  }

  /** WireGuard wants a session with it, or has one; or somebody else says where it is. */
  #isWanted({ endpointText, sentBytes, receivedBytes }: DevicePeer): boolean {
    const own = this.#port && formatEndpoint(this.#port.endpoint);
    return sentBytes + receivedBytes > 0 || endpointText !== own;
  }

  #isIdle(shown: DevicePeer, now: number): boolean {
    const watch = this.#watches.get(shown.publicKey);
    if (watch === undefined) {
      this.#watches.set(shown.publicKey, new IdleWatch(shown, now));
      return false;
    }
    watch.look(shown, now);
    // What a router carries for it is not seen here: it stays wanted, and the router is not interrupted.
    return shown.withheld === undefined && watch.idleMs(now) >= this.#idleMs;
  }

  /** Whoever has a path is asked before. */
  #mayLeave(name: string, { machine }: LazyPeer, now: number): boolean {
    if (machine.snapshot(now).path === undefined) return true;
    const again = Math.min(ASK_AGAIN_MS, this.#idleMs);
    if (now - (this.#askedAt.get(name) ?? Number.NEGATIVE_INFINITY) < again) return false;
    this.#askedAt.set(name, now);
    void this.#means.tell(name, "ask");
    return false;
  }

  /** Ends the tunnels to peers that sleep, and has what is for them come to us. */
  async #rest(names: readonly string[]): Promise<void> {
    const { device, onState, onError } = this.#means;
    for (const name of names) this.#beginning.add(name);
    let state: DeviceState | undefined;
    try {
      state = await device.rest(names, await this.#endpoint());
      for (const name of names) this.#resting.add(name);
    } catch (error) {
      // It is tried again at the next look.
      if (!this.#isClosed) onError(error);
    }
    for (const name of names) this.#beginning.delete(name);
    if (state !== undefined) onState(state);
  }

  async #endpoint(): Promise<Endpoint> {
    const { device } = this.#means;
    this.#opening ??= LoopbackPort.open(
      () => device.state.listenPort,
      () => this.#knocked(),
    );
    try {
      this.#port = await this.#opening;
    } catch (error) {
      this.#opening = undefined;
      throw error;
    }
    if (this.#isClosed) this.#port.close();
    return this.#port.endpoint;
  }

  /** WireGuard wants a session with somebody who sleeps: its counters say with whom. */
  #knocked(): void {
    if (this.#isClosed || this.#knocking !== undefined) return;
    // What comes while it is looked at may not be seen by that.
    const wait = this.#reading === undefined ? this.#readAt + KNOCK_GAP_MS - performance.now() : KNOCK_GAP_MS;
    if (wait <= 0) this.#read();
    else
      this.#knocking = setTimeout(() => {
        this.#knocking = undefined;
        if (this.#reading === undefined) this.#read();
        else this.#knocked();
      }, wait);
  }

  #read(): void {
    const { device, onState, onError } = this.#means;
    this.#readAt = performance.now();
    this.#reading = device
      .read()
      .then((state) => {
        if (!this.#isClosed) onState(state);
      })
      .catch(onError)
      .finally(() => {
        this.#reading = undefined;
      });
  }
}
