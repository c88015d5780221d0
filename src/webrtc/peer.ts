import { abortable, throwIfAborted } from "../base/abort.js";
import { Emitter, type Listener } from "../base/emitter.js";
import { SidewireError } from "../base/errors.js";
import { callGuarded } from "../base/guarded.js";
import { check } from "../base/schema.js";
import type { Receipt } from "../index.js";
import { Connection, type PeerState } from "./connection.js";
import type { Life } from "./life.js";
import { type OpenOptions, parseOpenOptions } from "./open-options.js";
import type { Signal, SignalContent } from "./signal.js";

/** The `signal` event: a signal was sent to the peer or received from the peer, through a broker. */
export interface SignalEvent {
  /** Whether the signal was sent, was acknowledged by the peer, or came from the peer. */
  readonly step: "sent" | "acknowledged" | "received";
  /** The type of the signal. */
  readonly type: "offer" | "answer" | "candidates" | "end";
  /** The number of candidates in the signal. */
  readonly candidates: number;
  /** The receipt of an acknowledged signal. */
  readonly receipt?: Receipt;
}

/** The events of a {@link Peer}. */
export interface PeerEvents {
  /** The state or its reason has changed. */
  state: (state: PeerState, why: string) => void;
  /** A new {@link Peer.channel} is open: the first one, or a new one after a loss. */
  channel: (channel: RTCDataChannel) => void;
  /** The peer has opened a channel by {@link Peer.open}. Without a listener, the channel is closed. */
  datachannel: (channel: RTCDataChannel) => void;
  /** The peer sends a media track. */
  track: (event: RTCTrackEvent) => void;
  /** A new RTCPeerConnection was made. No signal about this connection was sent yet. */
  connection: (connection: RTCPeerConnection) => void;
  /** A signal was sent to the peer or received from the peer, through a broker. */
  signal: (event: SignalEvent) => void;
}

/** The settings of a peer. */
export interface PeerSettings {
  readonly make: () => RTCPeerConnection;
  readonly timeoutMs: number;
}

/** What a peer needs. */
export interface PeerContext {
  /** Resolves when signals can be sent to the peer. */
  prepare(): Promise<void>;
  /** Sends a signal to the peer. */
  send(signal: Signal): Promise<Receipt>;
  onClosed(): void;
  /** Called when a function of the application has failed. */
  onFailed(error: unknown): void;
}

/** The maximum number of open channels that the peer has opened on one connection. Further ones are closed. */
const MAX_THEIRS = 64;
/** How long `close` waits until the peer knows about the end, in ms. */
const GOODBYE_MS = 500;

/**
 * A peer with a channel that is kept alive. After an interruption, ICE is restarted. After the loss of the connection,
 * for example because the other page was loaded again, a new connection is made. {@link connect} and {@link accept}
 * make peers.
 *
 * @example
 * ```ts
 * await using peer = await connect(router, address);
 * peer.channel.onmessage = ({ data }) => console.log(data);
 * peer.channel.send("hello");
 * ```
 */
export class Peer extends Emitter<PeerEvents> implements AsyncDisposable {
  /** The peer's address: 66 hex characters. */
  readonly address: string;
  /** Resolves when one of the two sides has closed the peer. Never rejects. */
  readonly closed: Promise<void>;
  /** Resolves when the first channel is open. @internal */
  readonly opened: Promise<void>;
  readonly #connection: Connection;
  readonly #context: PeerContext;
  readonly #tracks = new Map<MediaStreamTrack, readonly MediaStream[]>();
  #state: PeerState = "calling";
  #life: Life | undefined;
  /** Whether this side has ended the connection. */
  #isEnded = false;
  #sayOpened: () => void = () => {};
  #sayLost: (error: unknown) => void = () => {};
  #sayClosed: () => void = () => {};
  /** Called when a channel is open, or when the peer is closed. */
  #waiting: (() => void)[] = [];
  #farewell: Promise<unknown> = Promise.resolve();

  /** @internal */
  constructor(own: string, address: string, settings: PeerSettings, context: PeerContext) {
    super();
    this.address = address;
    this.#context = context;
    this.closed = new Promise((resolve) => {
      this.#sayClosed = resolve;
    });
    this.opened = new Promise((resolve, reject) => {
      this.#sayOpened = resolve;
      this.#sayLost = reject;
    });
    // If nobody waits for the promise, its rejection must not count as unhandled.
    this.opened.catch(() => {});
    this.#connection = new Connection(own < address, settings.timeoutMs, {
      make: settings.make,
      prepare: () => context.prepare(),
      send: async (signal) => {
        const receipt = await context.send(signal);
        this.emit("signal", { step: "acknowledged", ...summaryOf(signal.content), receipt });
      },
      onState: (state, why, cause) => this.#turn(state, why, cause),
      onSignal: (direction, content) =>
        this.emit("signal", { step: direction === "out" ? "sent" : "received", ...summaryOf(content) }),
      onLife: (life) => this.#begin(life),
      onChannel: (channel) => {
        this.#sayOpened();
        this.#wake();
        this.emit("channel", channel);
      },
    });
  }

  /** The state of the connection. */
  get state(): PeerState {
    return this.#state;
  }

  /**
   * The channel that both sides have from the start. The channel is reliable, and keeps the order of messages. After a
   * loss there is a new channel, which the event `channel` tells.
   */
  get channel(): RTCDataChannel {
    return this.#present().channel;
  }

  /** The current RTCPeerConnection, for everything that a peer has no method for. After a loss there is a new one. */
  get connection(): RTCPeerConnection {
    return this.#present().pc;
  }

  /**
   * Opens one more channel. The other side gets the channel by the event `datachannel`. The channel belongs to the
   * current {@link connection}, and is closed when this connection is lost.
   *
   * @param label - the name of the channel, which the other side sees; at most 1000 characters
   * @throws InvalidInputError `INVALID_OPTION`; SidewireError `CLOSED`, `ABORTED`
   *
   * @example
   * ```ts
   * const files = await peer.open("files", { ordered: false });
   * files.send(new Uint8Array(1000));
   * ```
   */
  async open(label: string, options: OpenOptions = {}): Promise<RTCDataChannel> {
    check(
      typeof label === "string" && label.length <= 1000,
      "INVALID_OPTION",
      "label",
      "a text of at most 1000 characters",
    );
    const { init, signal } = parseOpenOptions(options);
    for (;;) {
      throwIfAborted(signal);
      await abortable(this.#untilOpen(), signal);
      const life = this.#present();
      const channel = life.pc.createDataChannel(label, init);
      if (await abortable(isOpened(channel), signal).catch((error) => abandon(channel, error)))
        return channel;
      // If the connection was lost meanwhile, the channel may open on the next connection.
      if (this.#life === life && this.#state === "open")
        throw new SidewireError("CLOSED", "the other side has closed the channel");
    }
  }

  /**
   * Sends a media track, on the current connection and on all later connections.
   * @throws InvalidInputError `INVALID_OPTION`; SidewireError `CLOSED`
   */
  addTrack(track: MediaStreamTrack, ...streams: readonly MediaStream[]): void {
    check(typeof track === "object" && track !== null, "INVALID_OPTION", "track", "a MediaStreamTrack");
    this.#checkNotClosed();
    if (this.#tracks.has(track)) return;
    this.#tracks.set(track, streams);
    const { pc } = this.#life ?? {};
    if (pc?.signalingState !== "closed") pc?.addTrack(track, ...streams);
  }

  /** Stops sending a track. Does nothing for a track that was not added. */
  removeTrack(track: MediaStreamTrack): void {
    if (!this.#tracks.delete(track)) return;
    const { pc } = this.#life ?? {};
    const sender = pc?.getSenders().find((each) => each.track === track);
    if (sender !== undefined && pc?.signalingState !== "closed") pc?.removeTrack(sender);
  }

  /**
   * Looks for another way to the peer, if the connection is interrupted. Should be called when the network has changed.
   * In a browser, this method is called automatically when the page is online again.
   */
  recover(): void {
    if (this.#state !== "closed") this.#connection.recover();
  }

  /**
   * Ends the connection permanently, and tells the other side. Resolves when the other side knows about the end, or
   * after half a second. Further calls have no effect.
   */
  async close(): Promise<void> {
    await this.end("closed");
  }

  /** The same as {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Resolves when there is an open channel. @internal */
  async whenOpen(): Promise<void> {
    await this.opened;
    await this.#untilOpen();
  }

  /** Calls the peer. @internal */
  call(): void {
    this.#connection.call();
  }

  /** Handles a signal of the peer. @internal */
  receive(signal: Signal): void {
    this.#connection.receive(signal);
  }

  /** The same as {@link close}, with a reason. @internal */
  async end(why: string): Promise<void> {
    this.#isEnded = true;
    const goodbye = this.#connection.close(why);
    if (goodbye !== undefined) {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const tooLate = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, GOODBYE_MS);
      });
      this.#farewell = Promise.race([this.#context.send(goodbye).catch(() => {}), tooLate]).finally(() =>
        clearTimeout(timer),
      );
    }
    await this.#farewell;
  }

  /** @internal */
  protected override callListener(
    _event: keyof PeerEvents,
    listener: Listener,
    args: readonly unknown[],
  ): void {
    void callGuarded(
      () => listener.call(args),
      (error) => this.#context.onFailed(error),
    );
  }

  /** @internal */
  protected override listenersChanged(): void {}

  #present(): Life {
    if (this.#life === undefined)
      throw new SidewireError("CLOSED", "there has been no connection to this peer");
    return this.#life;
  }

  #checkNotClosed(): void {
    if (this.#state === "closed") throw new SidewireError("CLOSED", "the peer was closed");
  }

  #begin(life: Life): void {
    this.#life = life;
    const { pc } = life;
    for (const [track, streams] of this.#tracks) pc.addTrack(track, ...streams);
    pc.addEventListener("track", (event) => this.emit("track", event));
    let theirs = 0;
    pc.addEventListener("datachannel", ({ channel }) => {
      channel.addEventListener("close", () => theirs--);
      if (++theirs > MAX_THEIRS || !this.emit("datachannel", channel)) channel.close();
    });
    this.emit("connection", pc);
  }

  #turn(state: PeerState, why: string, cause: unknown): void {
    this.#state = state;
    if (state === "closed") {
      const isClosed = this.#isEnded || (cause instanceof SidewireError && cause.code === "CLOSED");
      const code = isClosed ? "CLOSED" : "NO_PEER";
      this.#sayLost(new SidewireError(code, `no connection to ${this.address}: ${why}`, { cause }));
      this.#wake();
      this.#sayClosed();
      this.#context.onClosed();
    }
    this.emit("state", state, why);
  }

  async #untilOpen(): Promise<void> {
    while (this.#state !== "open") {
      this.#checkNotClosed();
      await new Promise<void>((wake) => this.#waiting.push(wake));
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

function summaryOf(content: SignalContent): Pick<SignalEvent, "type" | "candidates"> {
  if ("end" in content) return { type: "end", candidates: 0 };
  const type = "description" in content ? content.description.type : "candidates";
  return { type, candidates: content.candidates?.length ?? 0 };
}

/** Resolves with true when the channel is open, and with false when the channel was closed. */
function isOpened(channel: RTCDataChannel): Promise<boolean> {
  return new Promise((resolve) => {
    if (channel.readyState === "open") resolve(true);
    channel.addEventListener("open", () => resolve(true));
    channel.addEventListener("close", () => resolve(false));
  });
}

function abandon(channel: RTCDataChannel, error: unknown): never {
  channel.close();
  throw error;
}
