/** @module sidewire/webrtc */

import { abortable, onAbort, throwIfAborted } from "../base/abort.js";
import { InvalidInputError } from "../base/errors.js";
import { nextTask } from "../base/next-task.js";
import { check } from "../base/schema.js";
import { type InboundMessage, parseAddress, type Router } from "../index.js";
import {
  type AcceptOptions,
  type ConnectOptions,
  parseAcceptOptions,
  parseConnectOptions,
} from "./options.js";
import type { Peer } from "./peer.js";
import { isSignalText } from "./signal.js";
import { Switchboard } from "./switchboard.js";

export type { PeerState } from "./connection.js";
export type { OpenOptions } from "./open-options.js";
export type {
  AcceptOptions,
  ConnectOptions,
  PeerConnectionClass,
  PeerOptions,
} from "./options.js";
export { Peer, type PeerEvents, type SignalEvent } from "./peer.js";

/**
 * Calls a peer by its address until the peer answers, and resolves with the peer when there is an open channel. Both
 * sides may call `connect` at the same time. A router has one peer for each address, so further calls for an address
 * give the same peer. The router is started if necessary. When the router is closed, its peers are closed, too.
 *
 * @param router - the router by which the two sides find each other. The messages for this are always sealed.
 * @param address - the peer's address, in hex or in bech32m
 * @throws InvalidInputError `INVALID_ADDRESS`, `INVALID_OPTION`; SidewireError `UNSUPPORTED`, `ABORTED`; `NO_PEER` when
 * nobody answers within `timeoutMs`: then `cause` is the last failure
 *
 * @example
 * ```ts
 * import { connect } from "sidewire/webrtc";
 *
 * const peer = await connect(router, address);
 * peer.channel.onmessage = ({ data }) => console.log(data);
 * peer.channel.send("hello");
 * ```
 */
export async function connect(router: Router, address: string, options: ConnectOptions = {}): Promise<Peer> {
  checkRouter(router);
  const to = parseAddress(address, "address");
  if (to === router.address)
    throw new InvalidInputError("INVALID_ADDRESS", "address", "it is the router's own");
  const { signal, ...settings } = parseConnectOptions(options);
  throwIfAborted(signal);
  const switchboard = Switchboard.of(router);
  // A browser takes long to make its first RTCPeerConnection. Meanwhile the connections to brokers are under way.
  router.start().catch(() => {});
  await new Promise<void>(nextTask);
  throwIfAborted(signal);
  const peer = switchboard.call(to, settings);
  // The wait is aborted before the peer is ended, so that the caller gets an AbortError.
  const opened = abortable(peer.whenOpen(), signal);
  void peer.closed.then(onAbort(signal, () => void peer.end("aborted")));
  await opened;
  return peer;
}

/**
 * Answers the peers that call this router.
 *
 * @param handler - called with each peer when the channel to the peer is open
 * @param options - `from` is required
 * @returns a function that stops the answering. The peers stay connected.
 * @throws InvalidInputError `INVALID_OPTION`; SidewireError `UNSUPPORTED`
 *
 * @example
 * ```ts
 * import { accept } from "sidewire/webrtc";
 *
 * const friends = new Set([address]);
 * accept(router, (peer) => peer.channel.send("welcome"), { from: (caller) => friends.has(caller) });
 * ```
 */
export function accept(router: Router, handler: (peer: Peer) => unknown, options: AcceptOptions): () => void {
  checkRouter(router);
  check(typeof handler === "function", "INVALID_OPTION", "handler", "a function");
  const settings = parseAcceptOptions(options);
  if (settings.signal?.aborted) return () => {};
  const stop = Switchboard.of(router).accept(handler, settings);
  const stopListening = onAbort(settings.signal, stop);
  return () => {
    stopListening();
    stop();
  };
}

/**
 * Whether a message belongs to {@link connect} and {@link accept}. A program that uses the same router for its own
 * messages can ignore such messages.
 */
export function isSignal(message: InboundMessage): boolean {
  return message.sealed && isSignalText(message.text());
}

function checkRouter(router: unknown): asserts router is Router {
  const { messages, pipe, start } = Object(router);
  const isRouter = [messages, pipe, start].every((each) => typeof each === "function");
  check(isRouter, "INVALID_OPTION", "router", "a Router");
}
