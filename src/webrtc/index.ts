/** @module sidewire/webrtc */

import { abortable, onAbort, throwIfAborted } from "../base/abort.js";
import { InvalidInputError } from "../base/errors.js";
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
 * A peer with an open channel, by its address alone. It is called until it answers. Both sides may do so at once, and
 * a router has one peer for an address, however often it is asked for. The router is started if need be, and closing
 * it closes its peers.
 *
 * @param router - by which the two find each other; its messages of this kind are always sealed
 * @param address - the peer's, in hex or bech32m
 * @throws InvalidInputError `INVALID_ADDRESS`, `INVALID_OPTION`; SidewireError `UNSUPPORTED`, `ABORTED`; `NO_PEER` when
 * nobody answers within `timeoutMs`, whose `cause` is what failed last
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
  const peer = Switchboard.of(router).call(to, settings);
  // It is told first: whoever aborts gets an AbortError.
  const opened = abortable(peer.opened, signal);
  void peer.closed.then(onAbort(signal, () => void peer.end("aborted")));
  await opened;
  return peer;
}

/**
 * Answers peers that call.
 *
 * @param handler - called with each peer, once its channel is open
 * @param options - `from` is required
 * @returns a function that ends it; the peers stay
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
 * Whether a message is one of those by which {@link connect} and {@link accept} find each other: for a program that
 * uses the same router for messages of its own.
 */
export function isSignal(message: InboundMessage): boolean {
  return message.sealed && isSignalText(message.text());
}

function checkRouter(router: unknown): asserts router is Router {
  const { messages, pipe, start } = Object(router);
  const isRouter = [messages, pipe, start].every((each) => typeof each === "function");
  check(isRouter, "INVALID_OPTION", "router", "a Router");
}
