import { SidewireError } from "../base/errors.js";
import { Life } from "./life.js";
import { judge, LifeNames, type Pair } from "./pairing.js";
import type { Signal, SignalContent } from "./signal.js";

/** The state of the connection to a peer. */
export type PeerState =
  /** The two sides exchange an offer and its answer. */
  | "calling"
  /** There is an open channel. */
  | "open"
  /** The connection is interrupted. Other ways between the two sides are tried. */
  | "recovering"
  /** There is no connection. The peer is called again after a pause. */
  | "waiting"
  /** One side has ended the connection, or this side has given up. */
  | "closed";

/** The functions that a connection calls. */
export interface ConnectionHandlers {
  /** Makes an RTCPeerConnection. May throw. */
  make(): RTCPeerConnection;
  /** Resolves when signals can be sent, and rejects when they cannot. */
  prepare(): Promise<void>;
  /** Sends a signal to the other side. Rejects when the signal did not arrive. */
  send(signal: Signal): Promise<void>;
  /** @param cause - the error, if an error is the reason */
  onState(state: PeerState, why: string, cause?: unknown): void;
  /** Called when a signal is sent or was received. */
  onSignal(direction: "out" | "in", content: SignalContent): void;
  /** Called when an RTCPeerConnection was made. The previous one is closed. */
  onLife(life: Life): void;
  /** Called when a channel is open. */
  onChannel(channel: RTCDataChannel): void;
}

/** How long to wait for the end of an interruption before ICE is restarted, in ms. */
const HEAL_MS = 1000;
/** How long a call and a restart of ICE may take before a new connection is tried, in ms. */
const CALL_MS = 15_000;
const RESTART_MS = 8000;
/** The first and the longest pause between calls, in ms. The pause is doubled after each call. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
/** The number of lives that the other side can cause at once, and the time until one more is allowed, in ms. */
const MAX_PROMPTED = 10;
const PROMPTED_EVERY_MS = 5000;
/** The maximum number of signals that are kept until their call comes. The oldest one is dropped first. */
const MAX_EARLY = 32;

/**
 * A data channel to one peer that is kept alive. After an interruption, ICE is restarted. After the loss of the
 * channel, a new connection is made. The signals for this go through the handlers.
 */
export class Connection {
  readonly #polite: boolean;
  readonly #patienceMs: number;
  readonly #handlers: ConnectionHandlers;
  readonly #names = new LifeNames();
  #life: Life | undefined;
  /** The last life, even if that life is over: the end of the connection refers to it. */
  #last: Pair | undefined;
  #failures = 0;
  /** The timer that closes the connection. It runs while there is no open channel. */
  #patience: ReturnType<typeof setTimeout> | undefined;
  /** The last failure. */
  #failure: readonly [why: string, cause: unknown] = ["nobody answered", undefined];
  #prompted = 0;
  #promptedAt = 0;
  #early: Signal[] = [];
  #isOpen = false;
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * @param polite - whether this side takes its offer back when both sides offer at the same time. Exactly one side
   *   must be polite.
   * @param patienceMs - how long to try without an open channel, in ms
   */
  constructor(polite: boolean, patienceMs: number, handlers: ConnectionHandlers) {
    this.#polite = polite;
    this.#patienceMs = patienceMs;
    this.#handlers = handlers;
  }

  /** Calls the other side, unless there is a connection or a call already. */
  call(): void {
    if (this.#life === undefined && !this.#isClosed) this.#callNow("calling");
  }

  /** Restarts ICE if the connection is interrupted. Calls at once if there is no connection. */
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

  /** Handles a signal of the other side. */
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
        if (life !== undefined && this.#mayBegin()) this.#meet(life, signal);
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

  /** Ends the connection permanently. @returns the signal for the other side, if that side knows the connection */
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

  /**
   * Both sides have called. The polite side takes its call back, and answers in a new life: the ICE of a life that has
   * called would take itself for the controlling one, as the other side's does, and resolving this takes up to half a
   * second. The impolite side waits for this answer. If its own call has arrived already, the program there may have
   * been restarted since, so the call is sent again.
   */
  #meet(life: Life, theirs: Signal): void {
    if (this.#polite) this.#answer(theirs);
    else if (life.call !== undefined && life.hasCalled) void this.#carry(life, life.call);
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

  /** Whether a signal of the other side may cause one more life. */
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
      // A browser limits the number of connections. Closed connections count until the garbage collector removes them.
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
      if (signal === life.call) life.hasCalled = true;
    } catch (error) {
      if (error instanceof SidewireError && error.code === "CLOSED")
        this.close("the router was closed", error);
      else if (this.#life === life && isVital(life, signal)) this.#lost(reasonOf(error), error);
    }
  }

  #connectionChanged(life: Life, state: RTCPeerConnectionState): void {
    if (state === "connected") {
      // A new connection only counts as open when its channel is open, shortly afterwards.
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

  /** Gives up the current connection, and calls again after a pause. */
  #lost(why: string, cause?: unknown): void {
    this.#end();
    this.#failure = [why, cause];
    this.#tell("waiting", why, cause);
    // The listener of the state may have closed this connection, or may have called.
    if (this.#isClosed || this.#life !== undefined) return;
    const pauseMs = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failures) * (0.5 + Math.random());
    this.#failures++;
    this.#timer = setTimeout(() => this.#callNow("calling again"), pauseMs);
  }
}

/** A short reason. The messages of the router's errors list all brokers, and the error itself is the `cause` anyway. */
function reasonOf(error: unknown): string {
  if (!(error instanceof SidewireError)) return String(error);
  if (error.code === "NO_ACK") return "nobody acknowledged it";
  return error.code === "NO_BROKER" ? "no broker can be reached" : error.message;
}

/** Whether a life cannot succeed without this signal. Without one candidate, it can. */
function isVital({ pc, remote }: Life, { to, content }: Signal): boolean {
  if (!("description" in content) || pc.connectionState === "connected") return false;
  // If the other side has answered the call, the call has arrived.
  return to !== undefined || remote === undefined;
}
