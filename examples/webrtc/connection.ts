import { Negotiation } from "./negotiation.js";
import { isFirst, type Signal, type SignalContent } from "./signal.js";

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

/** One RTCPeerConnection, from its offer to its end. */
interface Life {
  readonly id: string;
  /** The other side's life, once it is known. */
  remote: string | undefined;
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
  #life: Life | undefined;
  #failures = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param polite - whether this side gives way when two offers cross; the other must not */
  constructor(polite: boolean, handlers: ConnectionHandlers) {
    this.#polite = polite;
    this.#handlers = handlers;
  }

  /** Calls the other side, and goes on until it answers or is gone. */
  call(): void {
    this.#failures = 0;
    this.#callNow("calling");
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
  async receive(signal: Signal): Promise<void> {
    const life = this.#lifeFor(signal);
    if (life === undefined) return;
    this.#handlers.onSignal("in", signal.content);
    try {
      await life.negotiation.take(signal.content);
    } catch (error) {
      if (this.#life === life) this.#lost(`the other side's signal was refused: ${String(error)}`);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    const { pc } = this.#life ?? {};
    this.#life = undefined;
    pc?.close();
  }

  #callNow(why: string): void {
    this.#begin(undefined);
    this.#handlers.onPhase("calling", why);
  }

  /** The life that a signal is for; a first offer from a new life of the other side begins one of ours. */
  #lifeFor(signal: Signal): Life | undefined {
    const { from, to, content } = signal;
    const life = this.#life;
    if (to !== undefined && to !== life?.id) return undefined;
    // The first one hears of is an offer that crosses one's own, or the answer to that.
    if (life !== undefined && life.remote === undefined && "description" in content) life.remote = from;
    if (life?.remote === from) return life;
    if (!isFirst(signal)) return undefined;
    const answering = this.#begin(from);
    this.#handlers.onPhase("calling", "the other side calls");
    return answering;
  }

  #begin(remote: string | undefined): Life {
    this.close();
    const pc = new RTCPeerConnection();
    const id = randomId();
    const negotiation = new Negotiation(pc, this.#polite, (content) => void this.#send(life, content));
    const life: Life = { id, remote, pc, negotiation };
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

  async #send(life: Life, content: SignalContent): Promise<void> {
    if (this.#life !== life) return;
    this.#handlers.onSignal("out", content);
    const { id, remote } = life;
    try {
      await this.#handlers.send({ from: id, ...(remote === undefined ? {} : { to: remote }), content });
    } catch (error) {
      // A candidate more or less matters little once there is a channel.
      const isOpen = life.pc.connectionState === "connected";
      if (this.#life === life && !isOpen) this.#lost(error instanceof Error ? error.message : String(error));
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
    this.close();
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

function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(8));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
