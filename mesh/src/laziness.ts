import type { Device } from "./device/device.js";
import type { DevicePeer, DeviceState } from "./device/state.js";
import { IdleWatch } from "./idle-watch.js";
import { type Endpoint, formatEndpoint } from "./ip/endpoint.js";
import { SESSION_MS } from "./path/constants.js";
import type { Peer } from "./peer.js";
import type { RestMessage } from "./rest-message.js";
import { LoopbackPort } from "./turn/loopback-port.js";

/** A tunnel ends after this time without data, in ms. */
export const IDLE_MS = 900_000;

/** The part of the idle time that is enough on the host that is asked. Two hosts do not look at the same moment. */
const ENOUGH = 0.9;

/** The pause before a peer that did not agree is asked again, in ms. */
const ASK_AGAIN_MS = 60_000;

/**
 * The maximum number of peers that are woken to find out whether they relay. Relays are not lazy, and appear by
 * themselves.
 */
const MAX_SOUGHT = 8;

/**
 * The shortest pause between two looks at WireGuard while it knocks, in ms. WireGuard knocks every 5 s for each lost
 * peer.
 */
const KNOCK_GAP_MS = 100;

/** The part of a peer that laziness uses. */
export interface LazyPeer extends Pick<Peer, "isAsleep" | "sleep" | "wake"> {
  readonly machine: { snapshot(now: number): { readonly path: unknown } };
}

/** What laziness needs. Peers are named by their public keys in base64. */
export interface LazinessMeans {
  readonly device: Pick<Device, "read" | "rest" | "state">;
  readonly peers: ReadonlyMap<string, LazyPeer>;
  /** Default: {@link IDLE_MS}. */
  readonly idleMs?: number | undefined;
  /** Tells a peer by the path in use. Resolves with whether the peer has received the message. */
  readonly tell: (name: string, message: RestMessage) => Promise<boolean>;
  readonly getTime: () => number;
  readonly onState: (state: DeviceState) => void;
  readonly onError: (error: unknown) => void;
}

/**
 * Gives peers a tunnel only while it is used. The endpoint of a sleeping peer is a local port of this daemon. When a
 * program sends a packet to the peer, WireGuard starts a handshake with that port, and this wakes the peer. Messages
 * from the peer itself wake it, too.
 *
 * Two hosts end their tunnel together. One host asks. The other host agrees if it is lazy as well and has also seen no
 * data. The tunnel to a peer that does not agree is kept.
 */
export class Laziness {
  readonly #means: LazinessMeans;
  readonly #idleMs: number;
  /** The watches of peers that are awake. */
  readonly #watches = new Map<string, IdleWatch>();
  /** When each peer was last asked. */
  readonly #askedAt = new Map<string, number>();
  /** The peers whose endpoint is the local port, and the peers that are being changed to that endpoint. */
  readonly #resting = new Set<string>();
  readonly #beginning = new Set<string>();
  #port: LoopbackPort | undefined;
  #opening: Promise<LoopbackPort> | undefined;
  /** The peers that were woken to find out whether they relay. */
  readonly #sought = new Set<string>();
  #reading: Promise<void> | undefined;
  #readAt = Number.NEGATIVE_INFINITY;
  #knocking: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(means: LazinessMeans) {
    this.#means = means;
    this.#idleMs = means.idleMs ?? IDLE_MS;
  }

  /** Whether a new peer begins asleep: it must not have a session that may be in use. */
  beginsAsleep({ lastHandshake }: DevicePeer): boolean {
    return lastHandshake === undefined || this.#means.getTime() - lastHandshake * 1000 > SESSION_MS;
  }

  /**
   * Must be called when an own datagram goes through the tunnel to a peer, or has come from it. Such datagrams do not
   * count as use.
   */
  pass(name: string, direction: "sent" | "received", bytes: number): void {
    this.#watches.get(name)?.pass(direction, bytes);
  }

  /** Handles the current state of all peers in WireGuard. */
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

  /** Must be called when a relay is wanted and none is known. One of the sleeping peers may be a relay. */
  seekRelay(): void {
    for (const [name, peer] of this.#means.peers) {
      if (this.#sought.size >= MAX_SOUGHT) return;
      if (!peer.isAsleep || this.#sought.has(name)) continue;
      this.#sought.add(name);
      peer.wake();
    }
  }

  /** Handles a peer's message about the end of the tunnel. */
  async hear(name: string, message: RestMessage): Promise<void> {
    const peer = this.#means.peers.get(name);
    const isEnough = (): boolean => {
      const idleMs = this.#watches.get(name)?.idleMs(performance.now()) ?? 0;
      return peer?.isAsleep === false && idleMs >= this.#idleMs * ENOUGH && !this.#isClosed;
    };
    if (!isEnough()) return;
    if (message === "ask" && !(await this.#means.tell(name, "agree"))) return;
    // The tunnel may have been used meanwhile.
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

  /** Whether WireGuard must get the peer's local endpoint: it never got it, or the interface was made again since. */
  #mustRest({ publicKey, endpointText, sentBytes, receivedBytes }: DevicePeer): boolean {
    if (!this.#resting.has(publicKey)) return true;
    return endpointText === undefined && sentBytes + receivedBytes === 0;
  }

  /** Whether WireGuard wants or has a session with the peer, or somebody else has set another endpoint. */
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
    // Traffic that a router carries for the peer is not visible here. So such a peer stays awake, and the router is not
    // interrupted.
    return shown.withheld === undefined && watch.idleMs(now) >= this.#idleMs;
  }

  /** Whether the tunnel may end now. A peer with a path is asked first. */
  #mayLeave(name: string, { machine }: LazyPeer, now: number): boolean {
    if (machine.snapshot(now).path === undefined) return true;
    const again = Math.min(ASK_AGAIN_MS, this.#idleMs);
    if (now - (this.#askedAt.get(name) ?? Number.NEGATIVE_INFINITY) < again) return false;
    this.#askedAt.set(name, now);
    void this.#means.tell(name, "ask");
    return false;
  }

  /** Ends the tunnels to sleeping peers, and sets the local port as their endpoint. */
  async #rest(names: readonly string[]): Promise<void> {
    const { device, onState, onError } = this.#means;
    for (const name of names) this.#beginning.add(name);
    let state: DeviceState | undefined;
    try {
      state = await device.rest(names, await this.#endpoint());
      for (const name of names) this.#resting.add(name);
    } catch (error) {
      // The next look tries this again.
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

  /** WireGuard wants a session with a sleeping peer. Its counters show with which one. */
  #knocked(): void {
    if (this.#isClosed || this.#knocking !== undefined) return;
    // A look that is running may miss this knock, so another one follows.
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
