import type { BrokerAddress, InboundMessage } from "sidewire";

/** What became of a line that was sent. */
export type Fate =
  | {
      readonly delivered: true;
      readonly sealed: boolean;
      readonly roundTripMs: number;
      readonly broker: BrokerAddress;
    }
  | { readonly delivered: false; readonly sealed: boolean; readonly code: string; readonly reason: string };

/** Whether the other one is there; how far, where that was just measured. */
export type PresenceState =
  | { readonly present: true; readonly roundTripMs?: number }
  | { readonly present: false };

/** How a chat looks: to a person at a terminal, or in a pipe. */
export interface ChatView {
  /** The lines that are typed, until the end of input or the signal. */
  lines(signal: AbortSignal): AsyncIterable<string>;
  /** A line is on its way. @returns what to call once its fate is known */
  sending(text: string): (fate: Fate) => Promise<void>;
  received(message: InboundMessage): Promise<void>;
  presence(state: PresenceState): void;
  close(): void;
}
