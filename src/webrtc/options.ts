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
 * The class of connections: the class of the browser, or that of a package for Node. `connect` and `accept` check that
 * the class has the necessary methods.
 */
export type PeerConnectionClass = new (
  configuration: never,
) => {
  /** Ends the connection. */
  close(): unknown;
};

/** The common options of `connect` and `accept`. */
export interface PeerOptions {
  /**
   * STUN and TURN servers, by which peers behind NATs find ways to each other. Default: none. Within one network, no
   * servers are necessary.
   */
  iceServers?: readonly RTCIceServer[] | undefined;
  /** `"relay"` only uses TURN servers, so that the peer does not learn this machine's addresses. Default: `"all"`. */
  iceTransportPolicy?: RTCIceTransportPolicy | undefined;
  /** The class of connections to use. Default: the class of the browser. Node has no such class. */
  RTCPeerConnection?: PeerConnectionClass | undefined;
  /**
   * How long to try without an open channel, at the start and after each loss, in ms. After this time the peer is
   * closed. Default: 60 000; 100 to 2 147 483 647.
   */
  timeoutMs?: number | undefined;
  /** Called with the peer before its connection is begun, so that listeners do not miss events. */
  onPeer?: ((peer: Peer) => unknown) | undefined;
}

/** The options of {@link connect}. */
export interface ConnectOptions extends PeerOptions {
  /** Ends the wait with an `AbortError`. If the peer is open already, the signal closes the peer. */
  signal?: AbortSignal | undefined;
}

/** The options of {@link accept}. */
export interface AcceptOptions extends PeerOptions {
  /**
   * Decides by the address of a caller whether to answer. The address has 66 hex characters, and is proven by the
   * caller's signature. The caller is only answered if the function returns `true` or a promise of `true`. The function
   * may take a long time, for example to ask the user. Until then, the caller learns nothing. This option is required,
   * because an answer tells this machine's addresses.
   */
  from: (address: string) => boolean | PromiseLike<boolean>;
  /** The maximum number of accepted peers at the same time. Default: 64; 1 to 10 000. */
  maxPeers?: number | undefined;
  /** Stops the answering when the signal fires. */
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
/** The maximum number of servers. Each server costs time. */
const MAX_SERVERS = 16;

/** @throws InvalidInputError `INVALID_OPTION`; SidewireError `UNSUPPORTED` */
export function parseConnectOptions(options: ConnectOptions): ConnectSettings {
  return settingsOf(readOptions<Read<ConnectSettings>>(options, { ...peerFields(), signal: aSignal }));
}

/** @throws InvalidInputError `INVALID_OPTION`; SidewireError `UNSUPPORTED` */
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

/** The settings before `make` is derived from the configuration. */
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

/** Gives each server one URL, because some platforms do not accept a list of URLs. */
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

/** A function. Its parameters cannot be checked. */
function aFunction<T>(): Schema<T> {
  return be("a function", (value): value is T => typeof value === "function");
}
