import type { Candidate } from "./candidates/candidate.js";
import type { DevicePeer } from "./device/state.js";
import { FALLBACK } from "./facts/constants.js";
import type { PeerInfo } from "./info.js";
import { formatPrefix, type Prefix } from "./ip/prefix.js";
import type { Decision, Fact, LooksWanted, PathName } from "./path/facts.js";
import type { PathMachine } from "./path/machine.js";
import { roundedMs } from "./rounded.js";
import type { Channel } from "./signal/channel.js";

/** The actions for the decisions of a peer's path machine. */
export interface PeerHands {
  /** Sends a probe on a path, with the machine's view of that path. */
  probe(path: PathName): void;
  /** Makes WireGuard use a path. */
  use(path: PathName, isFresh: boolean): void;
  /** Tells the peer this host's candidates. */
  announce(): void;
  /** Looks for a relay, but not for the one of the failed path. */
  relay(failed: PathName | undefined): void;
  /** The public key of the relay that a path goes through, in base64. */
  relayOf(path: PathName): string | undefined;
  /** The TURN server of this host that a path goes through. */
  turnOf(path: PathName): string | undefined;
  /** Called when the information for users has changed. */
  changed(): void;
  /** Called when the peer is wanted again. @returns the known places where it may be */
  woken(): readonly Candidate[];
}

type NatFact = Extract<Fact, { type: "nat" }>;

/** How long after a peer fell asleep its probes may still be old ones, in ms. */
const STRAY_MS = 3_000;

const ASLEEP = {
  state: "asleep",
  path: undefined,
  reason: "asleep: no tunnel is in use. A packet for it, from here or from there, makes one",
} as const;

/** One peer: its path machine, the machine's timer, and the peer's last state in WireGuard. */
export class Peer {
  /** The peer's public key, in base64. */
  readonly publicKey: string;
  readonly #makeMachine: () => PathMachine;
  #machine: PathMachine;
  /** The channel to the peer over the brokers. */
  readonly channel: Channel;
  readonly #hands: PeerHands;
  #timer: NodeJS.Timeout | undefined;
  #shown: DevicePeer;
  #handshakeAt: number | undefined;
  #nat: NatFact | undefined;
  #asleepSince: number | undefined;
  #isClosed = false;

  constructor(shown: DevicePeer, makeMachine: () => PathMachine, channel: Channel, hands: PeerHands) {
    this.publicKey = shown.publicKey;
    this.#shown = shown;
    this.#makeMachine = makeMachine;
    this.#machine = makeMachine();
    this.channel = channel;
    this.#hands = hands;
  }

  /** The path machine. The machine knows nothing while the peer sleeps. */
  get machine(): PathMachine {
    return this.#machine;
  }

  /** Whether the peer sleeps: nothing is done for a sleeping peer until it is wanted. */
  get isAsleep(): boolean {
    return this.#asleepSince !== undefined;
  }

  /** How often WireGuard should be looked at for this peer. */
  get wants(): LooksWanted {
    return this.isAsleep ? "rare" : this.#machine.wants;
  }

  get allowedIps(): readonly Prefix[] {
    return this.#shown.allowedIps;
  }

  /** The time of the last handshake in WireGuard, in Unix seconds. */
  get lastHandshake(): number | undefined {
    return this.#shown.lastHandshake;
  }

  /**
   * Whether the peer can be reached, as far as this host knows: a path is in use and WireGuard has a session, or the
   * peer sleeps.
   * @param now - monotonic ms
   */
  isHealthy(now: number): boolean {
    if (this.isAsleep) return true;
    const isYoung = now - (this.#handshakeAt ?? Number.NEGATIVE_INFINITY) < FALLBACK.handshakeMs;
    const { path } = this.machine.snapshot(now);
    // After a start, the path in use is the one that WireGuard had before, and may be dead. Withheld allowed IPs come
    // back only after an answer.
    return isYoung && path !== undefined && (path.isProven || this.#shown.withheld === undefined);
  }

  /** Forgets all paths, and does nothing until the peer is wanted or speaks itself. */
  sleep(): void {
    clearTimeout(this.#timer);
    this.#machine = this.#makeMachine();
    this.#handshakeAt = undefined;
    this.#asleepSince = performance.now();
    this.#hands.changed();
  }

  /** Wakes the peer, because it is wanted. */
  wake(): void {
    if (!this.isAsleep || this.#isClosed) return;
    this.#asleepSince = undefined;
    const candidates = this.#hands.woken();
    if (this.#nat !== undefined) this.take(this.#nat);
    this.take({ type: "candidates", candidates, isNews: false, wantsAnswer: false });
  }

  /** Passes a fact to the machine, and does what the machine decides. */
  take(fact: Fact): void {
    if (this.#isClosed) return;
    const now = performance.now();
    if (fact.type === "nat") this.#nat = { ...fact, peer: fact.peer ?? this.#nat?.peer };
    if (this.isAsleep && this.#isWaking(fact, now)) this.wake();
    if (this.isAsleep) return;
    const { decisions, nextAt } = this.machine.step(fact, now);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.take({ type: "time" }), Math.max(0, nextAt - now));
    for (const decision of decisions) this.#carryOut(decision);
  }

  /**
   * Handles the peer's current state in WireGuard.
   * @param wallNow - Unix ms
   */
  look(shown: DevicePeer, wallNow: number): void {
    const isFirst = this.#handshakeAt === undefined && this.#shown.lastHandshake === shown.lastHandshake;
    if (shown.lastHandshake !== undefined && (isFirst || shown.lastHandshake !== this.#shown.lastHandshake)) {
      // WireGuard reports whole seconds of a clock that may be set. So the time is converted to an age, and only once.
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
    const { state, path, reason } = this.isAsleep ? ASLEEP : this.machine.snapshot(now);
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

  /** Whether the peer itself has spoken. A probe that was on its way when the peer fell asleep does not count. */
  #isWaking(fact: Fact, now: number): boolean {
    if (fact.type === "probed") return now - (this.#asleepSince ?? now) > STRAY_MS;
    return fact.type === "candidates" && fact.isNews;
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
        this.#hands.relay(decision.failed);
        break;
      case "changed":
        this.#hands.changed();
        break;
    }
  }
}
