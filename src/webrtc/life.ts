import { Negotiation } from "./negotiation.js";
import type { Pair } from "./pairing.js";
import type { Signal, SignalContent } from "./signal.js";

/** The name of the channel that both sides have from the start. */
const CHANNEL = "sidewire";

/** The functions that a life calls. */
export interface LifeHandlers {
  /** Resolves when signals can be sent. Until then, signals are collected. */
  readonly isReady: Promise<void>;
  /** Called with a signal for the other side. */
  onSignal(content: SignalContent): void;
  onFailure(error: unknown): void;
  onConnection(state: RTCPeerConnectionState): void;
  /** The channel has opened, or was closed. */
  onOpen(): void;
  onClose(): void;
}

/** One RTCPeerConnection, from its start to its end. */
export class Life implements Pair {
  readonly id: string;
  /** The id of the life of the other side. Undefined while this side calls and has no answer. */
  remote: string | undefined;
  /** The call, if this side has called. */
  call: Signal | undefined;
  /** Whether the call has arrived. */
  hasCalled = false;
  readonly pc: RTCPeerConnection;
  readonly channel: RTCDataChannel;
  readonly negotiation: Negotiation;

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
      onFailure: (error) => handlers.onFailure(error),
    });
    pc.addEventListener("connectionstatechange", () => handlers.onConnection(pc.connectionState));
    // The id is fixed on both sides, so no side must wait until the other side tells the channel.
    this.channel = pc.createDataChannel(CHANNEL, { negotiated: true, id: 0 });
    this.channel.addEventListener("open", () => handlers.onOpen());
    this.channel.addEventListener("close", () => handlers.onClose());
  }

  /** Closes the connection. The other side is not told. */
  close(): void {
    this.negotiation.close();
    this.pc.close();
  }
}
