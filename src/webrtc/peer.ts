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

/** The `signal` event: something was told to the peer, or by it, through a broker. */
export interface SignalEvent {
  /** Whether it was sent, was acknowledged by the peer, or came from it. */
  readonly step: "sent" | "acknowledged" | "received";
  /** What it was. */
  readonly type: "offer" | "answer" | "candidates" | "end";
  /** How many candidates were in it. */
  readonly candidates: number;
  /** How it was delivered, where it was acknowledged. */
  readonly receipt?: Receipt;
}

/** The events of a {@link Peer}. */
export interface PeerEvents {
  /** Where the connection stands has changed, or why. */
  state: (state: PeerState, why: string) => void;
  /** There is another open {@link Peer.channel}: the first one, or the one after a loss. */
  channel: (channel: RTCDataChannel) => void;
  /** The peer has opened a channel by {@link Peer.open}. Without a listener it is closed. */
  datachannel: (channel: RTCDataChannel) => void;
  /** The peer sends a media track. */
  track: (event: RTCTrackEvent) => void;
  /** Another RTCPeerConnection was made, of which nothing was told to the peer yet. */
  connection: (connection: RTCPeerConnection) => void;
  /** Something was told by one side to the other, through a broker. */
  signal: (event: SignalEvent) => void;
}

/** What a peer is made with. */
export interface PeerSettings {
  readonly make: () => RTCPeerConnection;
  readonly timeoutMs: number;
}

/** What a peer needs. */
export interface PeerContext {
  /** Resolves when signals can be carried to it. */
  prepare(): Promise<void>;
  /** Carries a signal to it. */
  send(signal: Signal): Promise<Receipt>;
  onClosed(): void;
  /** A function of the application failed. */
  onFailed(error: unknown): void;
}

/** How many channels of one connection the peer may have opened. Further ones are closed. */
const MAX_THEIRS = 64;
/** How long the peer has to learn that it was closed, ms. */
const GOODBYE_MS = 500;

/**
 * Somebody known by an address, with a channel that is kept alive: an interruption is answered with a restart of ICE,
 * a connection that is gone with a new one, for instance after the other page was loaded again. Made by
 * {@link connect} and {@link accept}.
 *
 * @example
 * ```ts
 * await using peer = await connect(router, address);
 * peer.channel.onmessage = ({ data }) => console.log(data);
 * peer.channel.send("hello");
 * ```
 */
export class Peer extends Emitter<PeerEvents> implements AsyncDisposable {
  /** The address: 66 hex characters. */
  readonly address: string;
  /** Resolves when the peer is closed, by whichever side; never rejects. */
  readonly closed: Promise<void>;
  /** Resolves with the first open channel. @internal */
  readonly opened: Promise<void>;
  readonly #connection: Connection;
  readonly #context: PeerContext;
  readonly #tracks = new Map<MediaStreamTrack, readonly MediaStream[]>();
  #state: PeerState = "calling";
  #life: Life | undefined;
  /** By this side. */
  #isEnded = false;
  #sayOpened: () => void = () => {};
  #sayLost: (error: unknown) => void = () => {};
  #sayClosed: () => void = () => {};
  /** Told when there is an open channel, or will be none. */
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
    // Who does not wait for it is told by the state.
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
      onAgreed: ({ pc }) => {
        for (const [track, streams] of this.#tracks) pc.addTrack(track, ...streams);
      },
      onChannel: (channel) => {
        this.#sayOpened();
        this.#wake();
        this.emit("channel", channel);
      },
    });
  }

  /** Where the connection stands. */
  get state(): PeerState {
    return this.#state;
  }

  /**
   * The channel that both sides have from the beginning: reliable, and in order. After a loss it is another one, told
   * of by the event `channel`.
   */
  get channel(): RTCDataChannel {
    return this.#present().channel;
  }

  /** The RTCPeerConnection of now, for what a peer has no method for. After a loss it is another one. */
  get connection(): RTCPeerConnection {
    return this.#present().pc;
  }

  /**
   * Opens one more channel. The other side gets it by the event `datachannel`. It is closed when the connection is
   * lost: it belongs to the {@link connection} of now.
   *
   * @param label - what the other side knows it by
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
      // Over another connection it may open.
      if (this.#life === life && this.#state === "open")
        throw new SidewireError("CLOSED", "the other side has closed the channel");
    }
  }

  /**
   * Sends a media track, over the connection of now and over those after it.
   * @throws InvalidInputError `INVALID_OPTION`; SidewireError `CLOSED`
   */
  addTrack(track: MediaStreamTrack, ...streams: readonly MediaStream[]): void {
    check(typeof track === "object" && track !== null, "INVALID_OPTION", "track", "a MediaStreamTrack");
    this.#checkNotClosed();
    if (this.#tracks.has(track)) return;
    this.#tracks.set(track, streams);
    const { pc, hasAgreed } = this.#life ?? {};
    if (hasAgreed && pc?.signalingState !== "closed") pc?.addTrack(track, ...streams);
  }

  /** Sends a track no longer. One that was not added is left alone. */
  removeTrack(track: MediaStreamTrack): void {
    if (!this.#tracks.delete(track)) return;
    const { pc } = this.#life ?? {};
    const sender = pc?.getSenders().find((each) => each.track === track);
    if (sender !== undefined && pc?.signalingState !== "closed") pc?.removeTrack(sender);
  }

  /**
   * Looks for another way to the peer, where there is none now. To be called when the network has changed; a page does
   * so by itself when it is online again.
   */
  recover(): void {
    if (this.#state !== "closed") this.#connection.recover();
  }

  /**
   * Ends the connection for good, and tells the other side. Resolves when that has heard of it, or half a second later.
   * Twice is once.
   */
  async close(): Promise<void> {
    await this.end("closed");
  }

  /** {@link close}, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Calls it. @internal */
  call(): void {
    this.#connection.call();
  }

  /** Takes a signal of it. @internal */
  receive(signal: Signal): void {
    this.#connection.receive(signal);
  }

  /** {@link close}, and why. @internal */
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

/** Whether a channel has opened; it may close instead. */
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
