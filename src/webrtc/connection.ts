import { SidewireError } from "../base/errors.js";
import { Life } from "./life.js";
import { judge, LifeNames, type Pair } from "./pairing.js";
import type { Signal, SignalContent } from "./signal.js";

/** Where the connection to a peer stands. */
export type PeerState =
  /** An offer is under way, or its answer. */
  | "calling"
  /** There is an open channel. */
  | "open"
  /** Nothing comes through. Other ways between the two are being tried. */
  | "recovering"
  /** Nobody answered. The peer is called again in a while. */
  | "waiting"
  /** Ended by either side, or given up. */
  | "closed";

/** What a connection needs and tells. */
export interface ConnectionHandlers {
  /** Makes an RTCPeerConnection; may throw. */
  make(): RTCPeerConnection;
  /** Resolves, or rejects, when signals can be carried, or cannot. */
  prepare(): Promise<void>;
  /** Carries a signal to the other side; rejects when it didn't arrive. */
  send(signal: Signal): Promise<void>;
  /** @param cause - what failed, where something did */
  onState(state: PeerState, why: string, cause?: unknown): void;
  /** A signal went out or came in. */
  onSignal(direction: "out" | "in", content: SignalContent): void;
  /** An RTCPeerConnection was made. A former one is gone. */
  onLife(life: Life): void;
  /** Both sides agree on the first description. Media may be negotiated. */
  onAgreed(life: Life): void;
  /** There is an open channel. */
  onChannel(channel: RTCDataChannel): void;
}

/** How long an interruption may heal by itself, ms. */
const HEAL_MS = 1000;
/** How long a call, and a restart of ICE, may take until a new connection is tried, ms. */
const CALL_MS = 15_000;
const RESTART_MS = 8000;
/** Pauses between calls double, up to a bound. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** The other side can make this one begin so many lives at once, and one more in a while, ms. */
const MAX_PROMPTED = 10;
const PROMPTED_EVERY_MS = 5000;
/** Signals that came before the call they belong to. The oldest gives way. */
const MAX_EARLY = 32;

/**
 * A data channel to one peer that is kept alive: an interruption is answered with a restart of ICE, a
 * channel that is gone with a new connection, and everything that takes goes through the signaling.
 */
export class Connection {
  readonly #polite: boolean;
  readonly #patienceMs: number;
  readonly #handlers: ConnectionHandlers;
  readonly #names = new LifeNames();
  #life: Life | undefined;
  /** The life that was there last, for an end that is told of late. */
  #last: Pair | undefined;
  #failures = 0;
  /** Runs while there is no open channel. */
  #patience: ReturnType<typeof setTimeout> | undefined;
  /** What failed last. */
  #failure: readonly [why: string, cause: unknown] = ["nobody answered", undefined];
  #prompted = 0;
  #promptedAt = 0;
  #early: Signal[] = [];
  #isOpen = false;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param polite - whether this side gives way where both offer at once; the other must not
   * @param patienceMs - how long to go on without an open channel
   */
  constructor(polite: boolean, patienceMs: number, handlers: ConnectionHandlers) {
    this.#polite = polite;
    this.#patienceMs = patienceMs;
    this.#handlers = handlers;
  }

  /** Calls the other side, if there is nothing between the two, and goes on until it answers or is given up. */
  call(): void {
    if (this.#life === undefined && !this.#isClosed) this.#callNow("calling");
  }

  /** Looks for other ways between the two where the present one is interrupted; calls at once where that is due. */
  recover(): void {
    if (this.#life === undefined) this.call();
    else this.#restart(this.#life);
  }

  #restart({ pc }: Life): void {
    if (pc.connectionState !== "disconnected" && pc.connectionState !== "failed") return;
    this.#tell("recovering", "restarting ICE");
    pc.restartIce();
    this.#lostAfter(RESTART_MS, "the restart of ICE led nowhere");
  }

  /** Takes a signal of the other side. */
  receive(signal: Signal): void {
    if (this.#isClosed) return;
    if ("end" in signal.content) {
      this.#takeEnd(signal);
      return;
    }
    const life = this.#life;
    switch (judge(signal, life)) {
      case "take":
        if (life !== undefined) this.#take(life, signal);
        break;
      case "meet":
        if (life !== undefined) this.#meet(life, signal);
        break;
      case "answer":
        if (this.#mayBegin()) this.#answer(signal);
        break;
      case "keep":
        this.#early.push(signal);
        if (this.#early.length > MAX_EARLY) this.#early.shift();
        break;
      case "renew":
        if (this.#mayBegin()) this.#callNow("the other side has begun anew");
        break;
      case "drop":
        break;
    }
  }

  /** Ends it for good. @returns what tells the other side, if that knows of this one */
  close(why: string, cause?: unknown): Signal | undefined {
    if (this.#isClosed) return undefined;
    this.#isClosed = true;
    clearTimeout(this.#patience);
    const { id, remote } = this.#last ?? {};
    this.#end();
    this.#early = [];
    this.#handlers.onState("closed", why, cause);
    return id === undefined || remote === undefined
      ? undefined
      : { from: id, to: remote, content: { end: true } };
  }

  #takeEnd(signal: Signal): void {
    const { id, remote } = this.#last ?? {};
    if (signal.to !== id || signal.from !== remote) return;
    this.#handlers.onSignal("in", signal.content);
    this.close("the other side has ended it");
  }

  #end(): void {
    clearTimeout(this.#timer);
    const life = this.#life;
    this.#life = undefined;
    life?.close();
  }

  #callNow(why: string): void {
    if (this.#begin(undefined) !== undefined) this.#tell("calling", why);
  }

  #answer(call: Signal): void {
    const life = this.#begin(call.from);
    if (life === undefined) return;
    this.#tell("calling", "the other side calls");
    this.#take(life, call);
    this.#takeEarly(life, call.from);
  }

  /** Both have called. The other side may not have been there when the own call was sent: it is sent once more. */
  #meet(life: Life, theirs: Signal): void {
    this.#take(life, theirs);
    this.#takeEarly(life, theirs.from);
    const { call } = life;
    if (call !== undefined) void this.#carry(life, { ...call, to: theirs.from });
  }

  #takeEarly(life: Life, remote: string): void {
    const early = this.#early;
    this.#early = [];
    for (const signal of early) if (signal.from === remote) this.#take(life, signal);
  }

  #take(life: Life, { from, content }: Signal): void {
    life.remote = from;
    this.#handlers.onSignal("in", content);
    life.negotiation.take(content);
  }

  /** Whether one more life may be begun because the other side says so. */
  #mayBegin(): boolean {
    const now = performance.now();
    const regained = Math.floor((now - this.#promptedAt) / PROMPTED_EVERY_MS);
    if (regained > 0) {
      this.#prompted = Math.max(0, this.#prompted - regained);
      this.#promptedAt = now;
    }
    return this.#prompted++ < MAX_PROMPTED;
  }

  #begin(remote: string | undefined): Life | undefined {
    this.#end();
    let pc: RTCPeerConnection;
    try {
      // A browser has so many and no more. Closed ones count until it has cleared them away.
      pc = this.#handlers.make();
    } catch (error) {
      this.#lost(`no RTCPeerConnection can be made: ${String(error)}`, error);
      return undefined;
    }
    const isPresent = (): boolean => this.#life === life;
    const life = new Life(this.#names.next(), pc, remote, this.#polite, {
      isReady: this.#handlers.prepare().catch(() => {}),
      onSignal: (content) => {
        if (isPresent()) this.#send(life, content);
      },
      onAgreed: () => {
        if (isPresent()) this.#handlers.onAgreed(life);
      },
      onFailure: (error) => {
        if (isPresent()) this.#lost(`the other side's signal was refused: ${String(error)}`, error);
      },
      onConnection: (state) => {
        if (isPresent()) this.#connectionChanged(life, state);
      },
      onOpen: () => {
        if (!isPresent()) return;
        this.#opened();
        this.#handlers.onChannel(life.channel);
      },
      onClose: () => {
        if (isPresent()) this.#lost("the channel was closed");
      },
    });
    this.#life = life;
    this.#last = life;
    this.#lostAfter(CALL_MS, "no connection came about");
    this.#handlers.onLife(life);
    return life;
  }

  #send(life: Life, content: SignalContent): void {
    const { id, remote } = life;
    const signal = { from: id, ...(remote === undefined ? {} : { to: remote }), content };
    if (remote === undefined && "description" in content) life.call = signal;
    void this.#carry(life, signal);
  }

  async #carry(life: Life, signal: Signal): Promise<void> {
    this.#handlers.onSignal("out", signal.content);
    try {
      await this.#handlers.send(signal);
    } catch (error) {
      if (error instanceof SidewireError && error.code === "CLOSED")
        this.close("the router was closed", error);
      else if (this.#life === life && isVital(life, signal)) this.#lost(reasonOf(error), error);
    }
  }

  #connectionChanged(life: Life, state: RTCPeerConnectionState): void {
    if (state === "connected") {
      // At first it is the channel that counts: it opens a moment later.
      if (life.channel.readyState === "open") this.#opened();
    } else if (state === "failed") this.#restart(life);
    else if (state === "disconnected") {
      this.#tell("recovering", "interrupted");
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.#restart(life), HEAL_MS);
    }
  }

  #opened(): void {
    clearTimeout(this.#timer);
    this.#failures = 0;
    if (!this.#isOpen) this.#tell("open", "connected");
  }

  #tell(state: PeerState, why: string, cause?: unknown): void {
    this.#isOpen = state === "open";
    if (this.#isOpen) {
      clearTimeout(this.#patience);
      this.#patience = undefined;
    } else this.#patience ??= setTimeout(() => this.close(...this.#failure), this.#patienceMs);
    this.#handlers.onState(state, why, cause);
  }

  #lostAfter(ms: number, why: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(why), ms);
  }

  /** Nothing more is to be had from the present connection. */
  #lost(why: string, cause?: unknown): void {
    this.#end();
    this.#failure = [why, cause];
    this.#tell("waiting", why, cause);
    // What is told of it may have ended it, or called.
    if (this.#isClosed || this.#life !== undefined) return;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures) * (0.5 + Math.random());
    this.#failures++;
    this.#timer = setTimeout(() => this.#callNow("calling again"), pauseMs);
  }
}

/** Errors of the router list what each broker did, which is for their reader: it is the cause of what follows. */
function reasonOf(error: unknown): string {
  if (!(error instanceof SidewireError)) return String(error);
  if (error.code === "NO_ACK") return "nobody acknowledged it";
  return error.code === "NO_BROKER" ? "no broker can be reached" : error.message;
}

/** Whether nothing comes of a life without this signal. A candidate more or less matters little. */
function isVital({ pc, remote }: Life, { to, content }: Signal): boolean {
  if (!("description" in content) || pc.connectionState === "connected") return false;
  // Whoever has answered a call knows of it.
  return to !== undefined || remote === undefined;
}
