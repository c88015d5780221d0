import { Negotiation } from "./negotiation.js";
import type { Pair } from "./pairing.js";
import type { Signal, SignalContent } from "./signal.js";

/** The name of the channel that both sides have from the beginning. */
const CHANNEL = "sidewire";

/** What a life tells. */
export interface LifeHandlers {
  /** Until then, what is to be told gathers. */
  readonly isReady: Promise<void>;
  /** Something is to be told to the other side. */
  onSignal(content: SignalContent): void;
  onAgreed(): void;
  onFailure(error: unknown): void;
  onConnection(state: RTCPeerConnectionState): void;
  /** The channel. */
  onOpen(): void;
  onClose(): void;
}

/** One RTCPeerConnection, from its offer to its end. */
export class Life implements Pair {
  readonly id: string;
  /** The life of the other side. Absent while this one calls and has no answer. */
  remote: string | undefined;
  /** The call, if it is this side's. */
  call: Signal | undefined;
  readonly pc: RTCPeerConnection;
  readonly channel: RTCDataChannel;
  readonly negotiation: Negotiation;
  /** Whether media may be negotiated. */
  hasAgreed = false;

  constructor(
    id: string,
    pc: RTCPeerConnection,
    remote: string | undefined,
    polite: boolean,
    handlers: LifeHandlers,
  ) {
    this.id = id;
    this.pc = pc;
    this.remote = remote;
    this.negotiation = new Negotiation(pc, polite, {
      isReady: handlers.isReady,
      send: (content) => handlers.onSignal(content),
      onAgreed: () => {
        this.hasAgreed = true;
        handlers.onAgreed();
      },
      onFailure: (error) => handlers.onFailure(error),
    });
    pc.addEventListener("connectionstatechange", () => handlers.onConnection(pc.connectionState));
    // The same number on both sides: neither has to wait to be told of it.
    this.channel = pc.createDataChannel(CHANNEL, { negotiated: true, id: 0 });
    this.channel.addEventListener("open", () => handlers.onOpen());
    this.channel.addEventListener("close", () => handlers.onClose());
  }

  /** Ends it. What it has told the other side stands. */
  close(): void {
    this.negotiation.close();
    this.pc.close();
  }
}
