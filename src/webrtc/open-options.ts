import { aSignal, flag, optional, readOptions, text, whole } from "../base/schema.js";

/** What `Peer.open` takes: how the channel carries messages, as `RTCPeerConnection.createDataChannel` has it. */
export interface OpenOptions {
  /** Whether messages arrive in their order. Default: true. */
  ordered?: boolean | undefined;
  /** How often a message is sent again. Default: until it has arrived. */
  maxRetransmits?: number | undefined;
  /** How long a message is sent again, ms. Default: until it has arrived. */
  maxPacketLifeTime?: number | undefined;
  /** A name that the application gives to what it speaks. Default: none. */
  protocol?: string | undefined;
  /** Ends the wait with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/** What it is given, checked. */
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
  // What was not given is not there.
  return { init: init as RTCDataChannelInit, signal };
}
