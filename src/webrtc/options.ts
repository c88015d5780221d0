import { SidewireError } from "../base/errors.js";
import {
  aSignal,
  be,
  type Fields,
  listOf,
  number,
  optional,
  or,
  readOptions,
  record,
  type Schema,
  text,
  whole,
} from "../base/schema.js";
import type { Peer, PeerSettings } from "./peer.js";

/**
 * The class of connections: a page's own, or that of a package for Node. `connect` and `accept` look for the methods
 * that they need.
 */
export type PeerConnectionClass = new (configuration: never) => { close(): unknown };

/** What `connect` and `accept` have in common. */
export interface PeerOptions {
  /**
   * STUN and TURN servers, by which peers behind NATs find ways to each other. Default: none, which is enough within
   * one network.
   */
  iceServers?: readonly RTCIceServer[] | undefined;
  /** `"relay"` uses TURN servers alone, so that the peer does not learn this machine's addresses. Default: `"all"`. */
  iceTransportPolicy?: RTCIceTransportPolicy | undefined;
  /** The class of connections to use. Default: the platform's own, which Node has not. */
  RTCPeerConnection?: PeerConnectionClass | undefined;
  /**
   * How long to go on without an open channel, at first and after each loss, ms; then the peer is closed. Default:
   * 60 000; 100 to 2 147 483 647.
   */
  timeoutMs?: number | undefined;
  /** Called with the peer before its connection is begun, so that listeners miss nothing. */
  onPeer?: ((peer: Peer) => unknown) | undefined;
}

/** What {@link connect} takes. */
export interface ConnectOptions extends PeerOptions {
  /** Ends the wait with an `AbortError`, and closes the peer if it is open by then. */
  signal?: AbortSignal | undefined;
}

/** What {@link accept} takes. */
export interface AcceptOptions extends PeerOptions {
  /**
   * Whether to answer a peer that calls, by its address: 66 hex characters, proven by its signature. Anything but
   * `true`, now or later, counts as no, and so does an error. It may take its time, for instance to ask the user: until
   * then nothing is told to the peer. Required, because an answer tells this machine's addresses.
   */
  from: (address: string) => boolean | PromiseLike<boolean>;
  /** How many peers there may be at once of those that have called. Default: 64; 1 to 10 000. */
  maxPeers?: number | undefined;
  /** Accepts no more once it fires. */
  signal?: AbortSignal | undefined;
}

export interface ConnectSettings extends PeerSettings {
  readonly onPeer: ((peer: Peer) => unknown) | undefined;
  readonly signal: AbortSignal | undefined;
}

export interface AcceptSettings extends ConnectSettings {
  readonly from: AcceptOptions["from"];
  readonly maxPeers: number;
}

interface Configuration {
  readonly iceServers: readonly RTCIceServer[];
  readonly iceTransportPolicy: RTCIceTransportPolicy;
  readonly RTCPeerConnection: typeof RTCPeerConnection | undefined;
}

const MAX_MS = 2 ** 31 - 1;
/** Nobody has more servers; each costs time. */
const MAX_SERVERS = 16;

/** @throws InvalidInputError `INVALID_OPTION`; SidewireError `UNSUPPORTED` */
export function parseConnectOptions(options: ConnectOptions): ConnectSettings {
  return settingsOf(readOptions<Read<ConnectSettings>>(options, { ...peerFields(), signal: aSignal }));
}

/** @throws as {@link parseConnectOptions} */
export function parseAcceptOptions(options: AcceptOptions): AcceptSettings {
  return settingsOf(
    readOptions<Read<AcceptSettings>>(options, {
      ...peerFields(),
      signal: aSignal,
      from: aFunction<AcceptOptions["from"]>(),
      maxPeers: or(whole(1, 10_000), 64),
    }),
  );
}

/** Settings as they are read: how a connection is made follows from the configuration. */
type Read<T extends PeerSettings> = Omit<T, "make"> & Configuration;

function peerFields(): Fields<Read<Omit<ConnectSettings, "signal">>> {
  return {
    iceServers: or(iceServers, []),
    iceTransportPolicy: or(be('"all" or "relay"', isPolicy), "all"),
    RTCPeerConnection: optional(be("a class as RTCPeerConnection is", isClass)),
    timeoutMs: or(number(100, MAX_MS), 60_000),
    onPeer: optional(aFunction<(peer: Peer) => unknown>()),
  };
}

type Settings<T> = Omit<T, keyof Configuration> & Pick<PeerSettings, "make">;

function settingsOf<T extends Omit<PeerSettings, "make">>(read: T & Configuration): Settings<T> {
  const { iceServers: servers, iceTransportPolicy, RTCPeerConnection: given, ...rest } = read;
  const Class = given ?? globalThis.RTCPeerConnection;
  if (typeof Class !== "function")
    throw new SidewireError("UNSUPPORTED", "this platform has no RTCPeerConnection: give one by the option");
  const configuration: RTCConfiguration = {
    iceServers: [...servers],
    iceTransportPolicy,
    bundlePolicy: "max-bundle",
  };
  return { ...rest, make: () => new Class(configuration) };
}

function isPolicy(value: unknown): value is RTCIceTransportPolicy {
  return value === "all" || value === "relay";
}

function isClass(value: unknown): value is typeof RTCPeerConnection {
  if (typeof value !== "function") return false;
  const { createDataChannel, setRemoteDescription } = Object(value.prototype);
  return typeof createDataChannel === "function" && typeof setRemoteDescription === "function";
}

/** Each server with one URL: not every platform takes a list of them. */
const iceServers: Schema<readonly RTCIceServer[]> = (value, code, path) => {
  const servers = listOf(
    record<{ urls: readonly string[]; username?: string; credential?: string }>({
      urls: (urls, ...place) => listOf(aUrl)(typeof urls === "string" ? [urls] : urls, ...place),
      username: optional(text),
      credential: optional(text),
    }),
    MAX_SERVERS,
  )(value, code, path);
  return servers.flatMap(({ urls, ...login }) => urls.map((url) => ({ urls: url, ...login })));
};

const aUrl: Schema<string> = be(
  "a URL as stun:stun.example.org:3478 or turn:turn.example.org",
  (value): value is string => typeof value === "string" && /^(?:stuns?|turns?):[^\s/]+$/i.test(value),
);

/** That it is a function is all that can be seen of it. */
function aFunction<T>(): Schema<T> {
  return be("a function", (value): value is T => typeof value === "function");
}
