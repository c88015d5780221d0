import { Negotiation, type SignalContent } from "./negotiation.js";
import { judge, LifeNames, type Pair, type Signal } from "./pairing.js";

/** Where a connection stands. */
export type Phase =
  /** An offer is under way, or its answer. */
  | "calling"
  | "open"
  /** Nothing comes through; other ways between the two are being tried. */
  | "recovering"
  /** Nobody answered; it is called again in a while. */
  | "waiting"
  /** Given up, until {@link Connection.call}. */
  | "gone";

/** What a connection needs and tells. */
export interface ConnectionHandlers {
  /** Carries a signal to the other side; rejects when it didn't arrive. */
  send(signal: Signal): Promise<void>;
  onPhase(phase: Phase, why: string): void;
  /** A signal went out or came in. */
  onSignal(direction: "out" | "in", content: SignalContent): void;
  /** There is an open channel; a former one is gone. */
  onChannel(channel: RTCDataChannel): void;
}

/** How long an interruption may heal by itself, ms. */
const HEAL_MS = 1000;
/** How long a call, and a restart of ICE, may take until a new connection is tried, ms. */
const CALL_MS = 15_000;
const RESTART_MS = 8000;
/** Pauses between calls double, up to a bound; after so many the other side is gone. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const MAX_FAILURES = 8;
/** The other side can make this one begin so many lives at once, and one more in a while, ms. */
const MAX_PROMPTED = 10;
const PROMPTED_EVERY_MS = 5000;
/** Signals that came before the call they belong to. The oldest gives way. */
const MAX_EARLY = 32;

/** One RTCPeerConnection, from its offer to its end. */
interface Life extends Pair {
  remote: string | undefined;
  /** The call, if it is this side's. */
  call: Signal | undefined;
  /** The life of the other side that the call was sent to again. */
  insistedTo: string | undefined;
  readonly pc: RTCPeerConnection;
  readonly negotiation: Negotiation;
}

/**
 * A data channel to one peer that is kept alive: an interruption is answered with a restart of ICE, a
 * channel that is gone with a new connection, and everything that takes goes through the signaling.
 */
export class Connection {
  readonly #polite: boolean;
  readonly #handlers: ConnectionHandlers;
  readonly #names = new LifeNames();
  #life: Life | undefined;
  #failures = 0;
  #prompted = 0;
  #promptedAt = 0;
  #early: Signal[] = [];
  #isClosed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param polite - whether this side gives way when both call or offer at once; the other must not */
  constructor(polite: boolean, handlers: ConnectionHandlers) {
    this.#polite = polite;
    this.#handlers = handlers;
  }

  /** Calls the other side, if there is nothing between the two, and goes on until it answers or is gone. */
  call(): void {
    this.#failures = 0;
    if (this.#life === undefined && !this.#isClosed) this.#callNow("calling");
  }

  /** Looks for other ways between the two if the present one is interrupted, for instance in a new network. */
  restart(): void {
    const { pc } = this.#life ?? {};
    if (pc?.connectionState !== "disconnected" && pc?.connectionState !== "failed") return;
    this.#handlers.onPhase("recovering", "restarting ICE");
    pc.restartIce();
    this.#lostAfter(RESTART_MS, "the restart of ICE led nowhere");
  }

  /** Takes a signal of the other side. */
  receive(signal: Signal): void {
    if (this.#isClosed) return;
    const life = this.#life;
    switch (judge(signal, life, this.#polite)) {
      case "take":
        if (life !== undefined) this.#take(life, signal);
        break;
      case "answer":
        if (this.#mayBegin()) this.#answer(signal);
        break;
      case "insist":
        if (life !== undefined) this.#insist(life, signal.from);
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

  /** Ends it for good. */
  close(): void {
    this.#isClosed = true;
    this.#end();
  }

  #end(): void {
    clearTimeout(this.#timer);
    const { pc } = this.#life ?? {};
    this.#life = undefined;
    pc?.close();
  }

  #callNow(why: string): void {
    if (this.#begin(undefined) !== undefined) this.#handlers.onPhase("calling", why);
  }

  #answer(call: Signal): void {
    const life = this.#begin(call.from);
    if (life === undefined) return;
    this.#handlers.onPhase("calling", "the other side calls");
    this.#take(life, call);
    const early = this.#early;
    this.#early = [];
    for (const signal of early) if (signal.from === call.from) this.#take(life, signal);
  }

  #insist(life: Life, to: string): void {
    if (life.call === undefined || life.insistedTo === to) return;
    life.insistedTo = to;
    void this.#carry(life, life.call);
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
    const pc = this.#newPeerConnection();
    if (pc === undefined) return undefined;
    const negotiation = new Negotiation(pc, this.#polite, {
      send: (content) => this.#send(life, content),
      onFailure: (error) => {
        if (this.#life === life) this.#lost(`the other side's signal was refused: ${String(error)}`);
      },
    });
    const id = this.#names.next();
    const life: Life = { id, remote, call: undefined, insistedTo: undefined, pc, negotiation };
    this.#life = life;
    pc.onconnectionstatechange = () => this.#connectionChanged(life);
    // The same number on both sides: neither has to wait to be told of it.
    const channel = pc.createDataChannel("chat", { negotiated: true, id: 0 });
    channel.onopen = () => {
      if (this.#life !== life) return;
      this.#opened();
      this.#handlers.onChannel(channel);
    };
    channel.onclose = () => {
      if (this.#life === life) this.#lost("the channel was closed");
    };
    this.#lostAfter(CALL_MS, "no connection came about");
    return life;
  }

  /** A browser has so many and no more. Closed ones count until it has cleared them away. */
  #newPeerConnection(): RTCPeerConnection | undefined {
    try {
      return new RTCPeerConnection();
    } catch (error) {
      this.#lost(`the browser makes no connection: ${String(error)}`);
      return undefined;
    }
  }

  #send(life: Life, content: SignalContent): void {
    if (this.#life !== life) return;
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
      // A candidate more or less matters little, and nothing does once there is a channel.
      const isVital = "description" in signal.content && life.pc.connectionState !== "connected";
      if (this.#life === life && isVital) this.#lost(error instanceof Error ? error.message : String(error));
    }
  }

  #connectionChanged(life: Life): void {
    if (this.#life !== life) return;
    const { connectionState } = life.pc;
    if (connectionState === "connected") this.#opened();
    else if (connectionState === "failed") this.restart();
    else if (connectionState === "disconnected") {
      this.#handlers.onPhase("recovering", "interrupted");
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.restart(), HEAL_MS);
    }
  }

  #opened(): void {
    clearTimeout(this.#timer);
    this.#failures = 0;
    this.#handlers.onPhase("open", "connected");
  }

  #lostAfter(ms: number, why: string): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lost(why), ms);
  }

  /** Nothing more is to be had from the present connection. */
  #lost(why: string): void {
    this.#end();
    this.#failures++;
    if (this.#failures > MAX_FAILURES) {
      this.#handlers.onPhase("gone", why);
      return;
    }
    const pauseMs =
      Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (this.#failures - 1)) * (0.5 + Math.random());
    this.#handlers.onPhase("waiting", why);
    this.#timer = setTimeout(() => this.#callNow("calling again"), pauseMs);
  }
}
