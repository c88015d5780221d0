import type { BrokerAddress, InboundMessage } from "sidewire";

/** The result of a sent line. */
export type Fate =
  | {
      readonly delivered: true;
      readonly sealed: boolean;
      readonly roundTripMs: number;
      readonly broker: BrokerAddress;
    }
  | { readonly delivered: false; readonly sealed: boolean; readonly code: string; readonly reason: string };

/** Whether the peer is there, and its round trip in ms if it was just measured. */
export type PresenceState =
  | { readonly present: true; readonly roundTripMs?: number }
  | { readonly present: false };

/** The display of a chat: a terminal for a person, or lines in a pipe. */
export interface ChatView {
  /** The typed lines, until the end of the input or until the signal fires. */
  lines(signal: AbortSignal): AsyncIterable<string>;
  /** Shows that a line is on its way. @returns a function to call with the result */
  sending(text: string): (fate: Fate) => Promise<void>;
  received(message: InboundMessage): Promise<void>;
  presence(state: PresenceState): void;
  close(): void;
}
