import { NoAckError } from "sidewire";
import { Connection, type Phase } from "./connection.js";
import { Conversation } from "./conversation.js";
import { Progress } from "./progress.js";
import type { Signal, Signaling } from "./signal.js";
import { timeText } from "./time-text.js";

/** What one peer tells the page. */
export interface PeerHandlers {
  onChange(peer: Peer): void;
  onLine(peer: Peer, text: string): void;
  onDelivered(line: number): void;
  /** The name under which the page shows the broker that a signal was acknowledged by. */
  nameOf(host: string): string;
}

/** Somebody known by an address: the connection, what is said over it, and how it came about. */
export class Peer {
  readonly address: string;
  readonly progress: Progress = new Progress();
  readonly conversation: Conversation;
  phase: Phase = "calling";
  /** The latest round trip of a signal, and the broker that it went by. */
  signalMs: number | undefined;
  signalBy: string | undefined;
  /** The latest round trip over the channel. */
  channelMs: number | undefined;
  readonly #connection: Connection;

  constructor(own: string, address: string, signaling: Signaling, handlers: PeerHandlers) {
    this.address = address;
    const { progress } = this;
    const changed = (): void => handlers.onChange(this);
    this.conversation = new Conversation({
      onLine: (text) => handlers.onLine(this, text),
      onDelivered: (line) => handlers.onDelivered(line),
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

  call(): void {
    this.#connection.call();
  }

  /** Looks for another way now, for instance because there is a network again. */
  recover(): void {
    if (this.phase === "waiting" || this.phase === "gone") this.#connection.call();
    else this.#connection.restart();
  }

  receive(signal: Signal): void {
    void this.#connection.receive(signal);
  }
}
