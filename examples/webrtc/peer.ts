import { InvalidInputError, type Router } from "sidewire";
import { type Peer as Connected, connect, type PeerState } from "sidewire/webrtc";
import { Conversation, type Unfinished } from "./conversation.js";
import type { Fate } from "./mark.js";
import { Progress } from "./progress.js";
import { timeText } from "./time-text.js";

/** Where a peer stands: a stranger has called and waits for the user, nothing goes on, or as its connection does. */
export type Standing = Exclude<PeerState, "closed"> | "asking" | "gone";

/** How long a peer is called, or called back, until it is gone, ms. */
const TIMEOUT_MS = 120_000;

/** What one peer tells the page. */
export interface PeerHandlers {
  onChange(peer: Peer): void;
  onLine(peer: Peer, text: string): void;
  /** What became of a line that was said. */
  onFate(line: number, fate: Fate): void;
  /** The name under which the page shows the broker that a signal was acknowledged by. */
  nameOf(host: string): string;
}

/** Somebody known by an address: the connection, what is said over it, and how it came about. */
export class Peer {
  readonly address: string;
  readonly progress: Progress = new Progress();
  readonly conversation: Conversation;
  /** Nobody has called yet. */
  phase: Standing = "gone";
  /** The latest round trip of a signal, and the broker that it went by. */
  signalMs: number | undefined;
  signalBy: string | undefined;
  /** The latest round trip over the channel. */
  channelMs: number | undefined;
  readonly #router: Router;
  readonly #handlers: PeerHandlers;
  #connected: Connected | undefined;
  /** Whether the user wants to talk to it: it was called from here, or accepted. */
  #isFriend = false;
  /** Answers a stranger that calls. */
  #decide: ((isLetIn: boolean) => void) | undefined;

  constructor(router: Router, address: string, handlers: PeerHandlers) {
    this.address = address;
    this.#router = router;
    this.#handlers = handlers;
    this.conversation = new Conversation({
      onLine: (text) => handlers.onLine(this, text),
      onDelivered: (line) => handlers.onFate(line, "delivered"),
      onFirstByte: () => {
        this.progress.reached("firstByte");
        this.#note("first byte over the channel");
      },
      onRoundTrip: (ms) => {
        this.channelMs = ms;
        handlers.onChange(this);
      },
    });
  }

  /** Calls, and goes on until the other side answers or is gone. */
  call(): void {
    this.#isFriend = true;
    const options = { timeoutMs: TIMEOUT_MS, onPeer: (connected: Connected) => this.use(connected) };
    connect(this.#router, this.address, options).catch((error: unknown) => {
      // That nobody answers is told by the state.
      if (error instanceof InvalidInputError) this.#turn("gone", error.message);
    });
  }

  /** Calls one that has not been called or did not answer; with others, looks for another way if there is none. */
  recover(): void {
    if (this.phase === "asking") this.accept();
    else if (this.phase === "gone") this.call();
    else this.#connected?.recover();
  }

  /** A stranger calls: whether it is answered. Until then nothing is said to it, as an answer tells this device's addresses. */
  isLetIn(): Promise<boolean> | boolean {
    if (this.#isFriend) return true;
    this.#turn("asking", "a stranger calls");
    return new Promise((resolve) => {
      this.#decide = resolve;
    });
  }

  /** Answers a stranger's call. */
  accept(): void {
    this.#isFriend = true;
    this.#decide?.(true);
  }

  /** Goes on with a connection that is begun. */
  use(connected: Connected): void {
    const { progress } = this;
    this.#connected = connected;
    connected.on("state", (state, why) => {
      if (this.#connected !== connected || (state === "open" && this.phase === "open")) return;
      this.#turn(state === "closed" ? "gone" : state, why);
    });
    connected.on("signal", ({ step, type, candidates, receipt }) => {
      if (receipt === undefined) progress.signal(step === "sent" ? "out" : "in", type, candidates);
      else {
        this.signalMs = receipt.roundTripMs;
        this.signalBy = this.#handlers.nameOf(receipt.broker.host);
        progress.note(`✓ ${type} acknowledged by ${this.signalBy} in ${timeText(this.signalMs)}`);
      }
      this.#handlers.onChange(this);
    });
    connected.on("channel", (channel) => {
      progress.reached("channel");
      this.conversation.use(channel);
      this.#note("channel open");
    });
  }

  /** Goes on with what was said before the page was loaded again. */
  restore(unfinished: Unfinished): void {
    this.conversation.restore(unfinished);
  }

  /** Ends what there is between the two. */
  close(): void {
    this.#decide?.(false);
    void this.#connected?.close();
    this.conversation.stop();
    this.#giveUp();
  }

  #turn(phase: Standing, why: string): void {
    this.phase = phase;
    if (phase === "calling") this.progress.restart();
    if (phase !== "open") this.channelMs = undefined;
    if (phase === "gone") this.#giveUp();
    this.#note(why);
  }

  #giveUp(): void {
    for (const line of this.conversation.unacknowledged) this.#handlers.onFate(line, "lost");
  }

  #note(text: string): void {
    this.progress.note(text);
    this.#handlers.onChange(this);
  }
}
