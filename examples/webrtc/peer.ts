import { NoAckError } from "sidewire";
import { Connection, type Phase } from "./connection.js";
import { Conversation } from "./conversation.js";
import type { Fate } from "./mark.js";
import { isCall, type Signal } from "./pairing.js";
import { Progress } from "./progress.js";
import type { Signaling } from "./signal.js";
import { timeText } from "./time-text.js";

/** Where a peer stands: a stranger has called and waits for the user, or as its connection does. */
export type Standing = Phase | "asking";

/** For so long a stranger's call can be answered, ms; later it has given that one up, and is called back. */
const CALL_KEPT_MS = 10_000;
/** So many signals of a stranger are kept: the call, and candidates. */
const MAX_KEPT = 32;

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
  readonly #connection: Connection;
  readonly #changed: () => void;
  readonly #giveUp: () => void;
  /** Whether the user wants to talk to it: it was called from here, or accepted. */
  #isFriend = false;
  /** The latest call of a stranger, and what belongs to it. */
  #kept: Signal[] = [];
  #keptSince = 0;

  constructor(own: string, address: string, signaling: Signaling, handlers: PeerHandlers) {
    this.address = address;
    const { progress } = this;
    const changed = (): void => handlers.onChange(this);
    this.#changed = changed;
    this.conversation = new Conversation({
      onLine: (text) => handlers.onLine(this, text),
      onDelivered: (line) => handlers.onFate(line, "delivered"),
      onFirstByte: () => {
        progress.reached("firstByte");
        progress.note("first byte over the channel");
        changed();
      },
      onRoundTrip: (ms) => {
        this.channelMs = ms;
        changed();
      },
    });
    this.#giveUp = () => {
      for (const line of this.conversation.unacknowledged) handlers.onFate(line, "lost");
    };
    this.#connection = new Connection(own < address, {
      send: async (signal) => {
        const { broker, roundTripMs } = await signaling.send(address, signal).catch((error: unknown) => {
          // Its own text lists what each broker did.
          throw error instanceof NoAckError ? new Error("nobody acknowledged it", { cause: error }) : error;
        });
        this.signalMs = roundTripMs;
        this.signalBy = handlers.nameOf(broker.host);
        const what = "description" in signal.content ? signal.content.description.type : "candidate";
        progress.note(`✓ ${what} acknowledged by ${this.signalBy} in ${timeText(roundTripMs)}`);
        changed();
      },
      onPhase: (phase, why) => {
        if (phase === this.phase && phase === "open") return;
        this.phase = phase;
        if (phase === "calling") progress.restart();
        if (phase !== "open") this.channelMs = undefined;
        if (phase === "gone") this.#giveUp();
        progress.note(why);
        changed();
      },
      onSignal: (direction, content) => {
        progress.signal(direction, content);
        changed();
      },
      onChannel: (channel) => {
        progress.reached("channel");
        progress.note("channel open");
        this.conversation.use(channel);
        changed();
      },
    });
  }

  /** Calls, and goes on until the other side answers or is gone. */
  call(): void {
    this.#isFriend = true;
    this.#connection.call();
  }

  /** Calls one that has not been called or did not answer; with others, looks for another way if there is none. */
  recover(): void {
    if (this.phase === "asking") this.accept();
    else if (this.phase === "waiting" || this.phase === "gone") this.call();
    else this.#connection.restart();
  }

  /** Answers a stranger's call. Until then nothing is said to it: an answer tells this device's addresses. */
  accept(): void {
    if (this.#isFriend) return;
    this.#isFriend = true;
    const kept = this.#kept;
    this.#kept = [];
    if (performance.now() - this.#keptSince > CALL_KEPT_MS) this.call();
    else for (const signal of kept) this.#connection.receive(signal);
  }

  /** Ends what there is between the two. */
  close(): void {
    this.#connection.close();
    this.conversation.stop();
    this.#giveUp();
  }

  receive(signal: Signal): void {
    if (this.#isFriend) this.#connection.receive(signal);
    else this.#keep(signal);
  }

  #keep(signal: Signal): void {
    const [call] = this.#kept;
    if (isCall(signal) && (call === undefined || signal.from > call.from)) {
      this.#kept = [signal];
      this.#keptSince = performance.now();
    } else if (signal.from === call?.from && this.#kept.length < MAX_KEPT) this.#kept.push(signal);
    if (this.phase === "asking") return;
    this.phase = "asking";
    this.progress.note("a stranger calls");
    this.#changed();
  }
}
