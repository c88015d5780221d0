import type { DevicePeer } from "./device/state.js";
import { FALLBACK } from "./facts/constants.js";
import type { PeerInfo } from "./info.js";
import { formatPrefix, type Prefix } from "./ip/prefix.js";
import type { Decision, Fact, PathName } from "./path/facts.js";
import type { PathMachine } from "./path/machine.js";
import { roundedMs } from "./rounded.js";
import type { Channel } from "./signal/channel.js";

/** What carries out what a peer's path machine decides. */
export interface PeerHands {
  /** Sends a probe on a path, with what the machine says of it. */
  probe(path: PathName): void;
  /** Makes WireGuard use a path. */
  use(path: PathName, isFresh: boolean): void;
  /** Tells the peer our candidates. */
  announce(): void;
  /** Looks for a relay. */
  relay(): void;
  /** The public key of the relay that a path goes through, base64. */
  relayOf(path: PathName): string | undefined;
  /** The TURN server of ours that a path goes through. */
  turnOf(path: PathName): string | undefined;
  /** What people are shown has changed. */
  changed(): void;
}

/** One peer: its path machine, the timer that the machine asks for, and what WireGuard showed of it last. */
export class Peer {
  /** base64. */
  readonly publicKey: string;
  readonly machine: PathMachine;
  /** What leads to it over the brokers. */
  readonly channel: Channel;
  readonly #hands: PeerHands;
  #timer: NodeJS.Timeout | undefined;
  #shown: DevicePeer;
  #handshakeAt: number | undefined;
  #isClosed = false;

  constructor(shown: DevicePeer, machine: PathMachine, channel: Channel, hands: PeerHands) {
    this.publicKey = shown.publicKey;
    this.#shown = shown;
    this.machine = machine;
    this.channel = channel;
    this.#hands = hands;
  }

  get allowedIps(): readonly Prefix[] {
    return this.#shown.allowedIps;
  }

  /** Of the last handshake that WireGuard showed, Unix seconds. */
  get lastHandshake(): number | undefined {
    return this.#shown.lastHandshake;
  }

  /** It can be reached: a path is in use, and WireGuard has a session. @param now - monotonic ms */
  isHealthy(now: number): boolean {
    const isYoung = now - (this.#handshakeAt ?? Number.NEGATIVE_INFINITY) < FALLBACK.handshakeMs;
    return isYoung && this.machine.snapshot(now).path !== undefined;
  }

  /** Tells the machine a fact, and does what it decides. */
  take(fact: Fact): void {
    if (this.#isClosed) return;
    const now = performance.now();
    const { decisions, nextAt } = this.machine.step(fact, now);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.take({ type: "time" }), Math.max(0, nextAt - now));
    for (const decision of decisions) this.#carryOut(decision);
  }

  /**
   * Takes in what WireGuard shows.
   * @param wallNow - Unix ms
   */
  look(shown: DevicePeer, wallNow: number): void {
    const isFirst = this.#handshakeAt === undefined && this.#shown.lastHandshake === shown.lastHandshake;
    if (shown.lastHandshake !== undefined && (isFirst || shown.lastHandshake !== this.#shown.lastHandshake)) {
      // Whole seconds of a clock that may be set: only how long ago it was is of use, and only once.
      const ago = Math.max(0, wallNow - shown.lastHandshake * 1000 - 999);
      this.#handshakeAt = performance.now() - ago;
    }
    this.#shown = shown;
    this.take({
      type: "wireguard",
      endpoint: shown.endpointText,
      receivedBytes: shown.receivedBytes,
      sentBytes: shown.sentBytes,
      handshakeAt: this.#handshakeAt,
    });
  }

  /** @param wallNow - Unix ms */
  info(wallNow: number): PeerInfo {
    const now = performance.now();
    const { state, path, reason } = this.machine.snapshot(now);
    const { lastHandshake, receivedBytes, sentBytes, allowedIps, withheld } = this.#shown;
    return {
      publicKey: this.publicKey,
      state,
      path: path && {
        kind: path.kind,
        endpoint: path.name,
        relay: this.#hands.relayOf(path.name),
        turn: path.kind === "turn" ? (this.#hands.turnOf(path.name) ?? path.name) : undefined,
        roundTripMs: path.roundTripMs === undefined ? undefined : roundedMs(path.roundTripMs),
        since: Math.round(wallNow - (now - path.sinceMs)),
      },
      reason: withheld === undefined ? reason : `${reason}. A router carries what is for it meanwhile`,
      lastHandshakeAt: lastHandshake === undefined ? undefined : lastHandshake * 1000,
      receivedBytes,
      sentBytes,
      allowedIps: allowedIps.map(formatPrefix),
    };
  }

  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }

  #carryOut(decision: Decision): void {
    switch (decision.type) {
      case "probe":
        for (const { path } of decision.probes) this.#hands.probe(path);
        break;
      case "use":
        this.#hands.use(decision.path, decision.isFresh);
        break;
      case "announce":
        this.#hands.announce();
        break;
      case "relay":
        this.#hands.relay();
        break;
      case "changed":
        this.#hands.changed();
        break;
    }
  }
}
