import { aSignal, flag, optional, readOptions, text, whole } from "../base/schema.js";

/** The options of `Peer.open`. Most of them are the options of `RTCPeerConnection.createDataChannel`. */
export interface OpenOptions {
  /** Whether messages arrive in the order in which they were sent. Default: true. */
  ordered?: boolean | undefined;
  /** How often a lost message is sent again. Default: until the message has arrived. */
  maxRetransmits?: number | undefined;
  /** How long a lost message is sent again, in ms. Default: until the message has arrived. */
  maxPacketLifeTime?: number | undefined;
  /** The name of the application's protocol on this channel. Default: none. */
  protocol?: string | undefined;
  /** Ends the wait with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** The checked options. */
export interface OpenSettings {
  readonly init: RTCDataChannelInit;
  readonly signal: AbortSignal | undefined;
}

/** @throws InvalidInputError `INVALID_OPTION` */
export function parseOpenOptions(options: OpenOptions): OpenSettings {
  const { signal, ...init } = readOptions<OpenOptions>(options, {
    ordered: optional(flag),
    maxRetransmits: optional(whole(0, 65_535)),
    maxPacketLifeTime: optional(whole(0, 65_535)),
    protocol: optional(text),
    signal: aSignal,
  });
  // Options that are not given are absent from `init`.
  return { init: init as RTCDataChannelInit, signal };
}
