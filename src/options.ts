import { platform } from "#platform";
import { InvalidInputError } from "./base/errors.js";
import {
  aSignal,
  be,
  check,
  type Fields,
  flag,
  listOf,
  number,
  optional,
  or,
  readOptions,
  record,
  type Schema,
  whole,
} from "./base/schema.js";
import { checkClock } from "./base/wall-clock.js";
import { type BrokerHint, type HintStore, type Hints, MemoryHintStore, parseHints } from "./brokers/hints.js";
import type { InboundMessage, SendOptions } from "./message.js";
import type { Family, SocketOptions, Verify } from "./platform/platform.js";
import type { Transport } from "./platform/transports.js";
import { type BrokerPool, defaultBrokers, FAMILIES, parseBrokerPool } from "./wire/broker-pool.js";

/** A router whose connections other routers may share. Any `Router` is one. */
export interface ConnectionsOwner {
  /** The router's own address. */
  readonly address: string;
  /** The brokers where the router listens, as hints. */
  hints(): BrokerHint[];
  /** Closes the connections that are not needed now. Resolves with their number. */
  closeIdle(): Promise<number>;
  /** Closes the router, and all routers over its connections. */
  close(options?: { signal?: AbortSignal | undefined }): Promise<void>;
}

/** The options of a router. */
export interface RouterOptions {
  /**
   * The time, in Unix milliseconds. This option is required, because a wrong clock makes peers drop each other's
   * messages, and that must not look like a fault of the network. `Date.now` is right if all peers run on one host.
   * Otherwise a corrected clock is better.
   *
   * A clock in seconds is refused with `INVALID_OPTION`. While the function fails, incoming messages are not accepted,
   * and sends reject with `INVALID_OPTION`.
   */
  getTime: () => number;
  /**
   * Another router whose connections this router shares. That router may itself be over a third one. Both use the same
   * sessions with the same brokers at the same rates. Each router keeps its own address, topic, ranking, order of
   * messages, handlers, limits and end. An address may be used only once on the same connections.
   *
   * The options `brokers`, `families`, `nic`, `transports`, `allowInsecure`, `ca`, `idleTimeoutMs` and
   * `allowPrivateHints` belong to the connections. The router that owns the connections sets them; giving one of them
   * here is an error. Default: the router has connections of its own.
   */
  over?: ConnectionsOwner | undefined;
  /** The brokers to use. Default: {@link defaultBrokers}, which are public. */
  brokers?: BrokerPool | undefined;
  /**
   * The address families to use. Default: the families of this machine's addresses, loopback included; both families if
   * the system does not tell.
   */
  families?: readonly Family[] | undefined;
  /**
   * The local address to connect from: one address for its own family, or one for each family. Node only. Default: the
   * system chooses.
   */
  nic?: string | Partial<Record<Family, string>> | undefined;
  /**
   * The transports to use, in the order of preference. Default: mqtt, mqtts, wss, ws in Node; wss, ws in a browser.
   *
   * After a transport with TLS, no transport without TLS is tried. A broker's login goes over TLS only, if the broker's
   * entry has `tls` or `wss`. {@link allowInsecure} changes both.
   */
  transports?: readonly Transport[] | undefined;
  /**
   * Lets a transport without TLS replace one with TLS that failed, and lets it carry a broker's login even if the
   * broker's entry has `tls` or `wss`. An attacker between the router and the broker can block TLS to force this.
   * Default: false.
   */
  allowInsecure?: boolean | undefined;
  /** Additional trusted certificates in PEM, for brokers with their own CA. Node only. */
  ca?: string | undefined;
  /** Called with every message. `router.addMessageHandler` adds further functions. */
  onMessage?: ((message: InboundMessage) => unknown) | undefined;
  /**
   * Decides whether to accept packets from an address. Called before the signature is checked. Only the immediate
   * result `true` means yes; any other result, a promise and an error mean no. Default: everyone is accepted.
   */
  accept?: ((from: string) => boolean) | undefined;
  /**
   * The number of brokers to listen on, for each family: the best-ranked ones that can be reached. Other peers are told
   * of these. Default: 3; 1 to 100.
   */
  inboundBrokers?: number | undefined;
  /**
   * The number of further brokers to listen on, for each family. A peer that reaches only one of them gets through,
   * too, and a failed broker is replaced without dialling. Default: 8; 0 to 100.
   */
  reserveBrokers?: number | undefined;
  /**
   * The number of brokers that a message goes to at once. The same number joins at each widening. Default: 3; 1 to 100.
   */
  fanOut?: number | undefined;
  /** How long to wait for an ACK before the next brokers join, in ms. Default: 400; 10 to 60 000. */
  widenAfterMs?: number | undefined;
  /**
   * The maximum number of messages of a pipe that wait for their ACK at the same time. Until the peer has answered for
   * the first time, the maximum is 8 for the first two seconds. Default: 64; 1 to 10 000.
   */
  maxInFlight?: number | undefined;
  /**
   * The maximum length of a message, sent or received, in bytes. Default: 61 440 (60 KiB); 1 to 16 777 216. A sealed
   * and signed message of the default length stays within the 64 KB that operators of public brokers allow.
   */
  maxMessageBytes?: number | undefined;
  /**
   * How long a received message waits for missing messages before it in its queue, in ms. Default: 1000; 0 to 60 000.
   */
  gapTimeoutMs?: number | undefined;
  /**
   * How long a connection stays open without a send, in ms. This holds only for brokers that the router does not listen
   * on. Default: 600 000; at least 1000.
   */
  idleTimeoutMs?: number | undefined;
  /** Stores the brokers where peers were found. Default: a {@link MemoryHintStore}. */
  hintStore?: HintStore | undefined;
  /**
   * Seals every message, so that only its destination can read it. Default: false.
   *
   * **A Python peer cannot read a sealed message, but acknowledges it nevertheless**: `send` then reports success for a
   * message that the peer's application never gets.
   */
  encrypt?: boolean | undefined;
  /** Accepts only sealed messages. Default: false. */
  requireEncryption?: boolean | undefined;
  /** Allows hints for brokers outside the pool at loopback, link-local and private addresses. Default: false. */
  allowPrivateHints?: boolean | undefined;
  /** Verifies signatures instead of the platform's own cryptography. */
  verify?: Verify | undefined;
}

/** The options, with all defaults filled in. */
export interface Settings {
  readonly getTime: () => number;
  readonly brokers: BrokerPool;
  readonly families: readonly Family[];
  readonly nic: Partial<Record<Family, string>>;
  readonly transports: readonly Transport[];
  readonly allowInsecure: boolean;
  readonly ca: SocketOptions["ca"];
  readonly onMessage: ((message: InboundMessage) => unknown) | undefined;
  readonly accept: ((from: string) => boolean) | undefined;
  readonly inboundBrokers: number;
  readonly reserveBrokers: number;
  readonly fanOut: number;
  readonly widenAfterMs: number;
  readonly maxInFlight: number;
  readonly maxMessageBytes: number;
  readonly gapTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly encrypt: boolean;
  readonly requireEncryption: boolean;
  readonly allowPrivateHints: boolean;
  readonly hintStore: HintStore;
  readonly verify: Verify;
}

/** The options of `router.start`. */
export interface StartOptions {
  /** Ends the wait with an `AbortError`. The router goes on trying to connect. */
  signal?: AbortSignal | undefined;
  /** How long to wait for the first broker, in ms. Default: 10 000. */
  timeoutMs?: number | undefined;
}

/** The options of `router.pipe`. */
export interface PipeOptions {
  /** Returns the cached pipe for this destination, if there is one. Default: false. */
  useCache?: boolean | undefined;
  /** How long a cached pipe is reused after it was last returned, in ms. Default: 3 600 000. */
  expiryMs?: number | undefined;
  /**
   * Seals the messages of this pipe, so that only the destination can read them. Not for a Python peer: it cannot read
   * sealed messages, but acknowledges them nevertheless. Default: the router's option.
   */
  encrypt?: boolean | undefined;
  /**
   * The brokers where the destination says it listens. They are tried first. At most 6 are used. A hint that is
   * malformed or must not be dialled is left out, and counted in `stats().skippedHints`.
   */
  hintBrokers?: readonly BrokerHint[] | undefined;
  /** Ends the wait for the first broker with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/**
 * Checks a router's options, and fills in the defaults. Starts nothing.
 *
 * @param shared - the settings of the router whose connections are shared
 * @throws {@link InvalidInputError} `INVALID_OPTION`, `INVALID_POOL`; {@link SidewireError} `UNSUPPORTED`
 */
export function parseRouterOptions(options: RouterOptions, shared?: Settings): Settings {
  const { nic, ca, over, ...read } = readOptions<
    Omit<Settings, keyof SocketOptions> & { nic: unknown; ca: unknown; over: unknown }
  >(options, {
    getTime: aClock,
    // The router checks this option.
    over: (value) => value,
    brokers: or(parseBrokerPool, defaultBrokers),
    // The families are only looked up if the option is missing: the look takes a tenth of the time of a connection.
    families: (value = platform.localFamilies(), ...place) => someOf(FAMILIES)(value, ...place),
    transports: or(someOf(platform.transports), platform.transports),
    allowInsecure: or(flag, false),
    onMessage: optional(aFunction<(message: InboundMessage) => unknown>()),
    accept: optional(aFunction<(from: string) => boolean>()),
    inboundBrokers: or(whole(1, 100), 3),
    reserveBrokers: or(whole(0, 100), 8),
    fanOut: or(whole(1, 100), 3),
    widenAfterMs: or(number(10, 60_000), 400),
    maxInFlight: or(whole(1, 10_000), 64),
    maxMessageBytes: or(whole(1, 1 << 24), 60 * 1024),
    gapTimeoutMs: or(number(0, 60_000), 1000),
    idleTimeoutMs: or(number(1000, MAX_MS), 600_000),
    encrypt: or(flag, false),
    requireEncryption: or(flag, false),
    allowPrivateHints: or(flag, false),
    hintStore: or(aHintStore, new MemoryHintStore()),
    verify: or(aFunction<Verify>(), platform.createVerify()),
    // The platform checks these two options.
    nic: (value) => value,
    ca: (value) => value,
    ...(shared && ofConnections(shared)),
  });
  return { ...read, ...(shared ? { nic: shared.nic, ca: shared.ca } : platform.parseSocketOptions(nic, ca)) };
}

/** The options that belong to the connections, not to one of the addresses on them. */
const OF_CONNECTIONS = [
  "brokers",
  "families",
  "nic",
  "transports",
  "allowInsecure",
  "ca",
  "idleTimeoutMs",
  "allowPrivateHints",
] as const;

/** The options for another address on the same connections, with all settings that are not of the connections. */
export function optionsOver(settings: Settings): Partial<RouterOptions> {
  const isShared = (name: string): boolean =>
    name === "onMessage" || OF_CONNECTIONS.some((other) => other === name);
  return Object.fromEntries(Object.entries(settings).filter(([name]) => !isShared(name)));
}

/** The schemas of these options: the shared value is taken over, and a value from the caller is an error. */
function ofConnections(shared: Settings): Partial<Fields<Settings>> {
  const schemaOf =
    (name: (typeof OF_CONNECTIONS)[number]): Schema<unknown> =>
    (value, code, path) => {
      if (value === undefined) return shared[name];
      throw new InvalidInputError(
        code,
        path,
        "belongs to the connections: give it to the router that owns them",
      );
    };
  return Object.fromEntries(OF_CONNECTIONS.map((name) => [name, schemaOf(name)]));
}

/** The checked options of a wait. */
export interface Wait {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/** @throws {@link InvalidInputError} */
export function parseStartOptions(options: StartOptions): Wait {
  return parseWait(options, 10_000, MAX_MS);
}

/** The checked options of `router.pipe`. */
export interface PipeSettings {
  readonly useCache: boolean;
  readonly encrypt: boolean;
  readonly expiryMs: number;
  readonly hintBrokers: Hints;
  readonly signal: AbortSignal | undefined;
}

const NO_HINTS: Hints = { usable: [], skipped: 0 };

/** @throws {@link InvalidInputError} */
export function parsePipeOptions(options: PipeOptions, encryptByDefault: boolean): PipeSettings {
  return readOptions<PipeSettings>(options, pipeFields(encryptByDefault));
}

/** @throws {@link InvalidInputError} */
export function parseProbeOptions(
  options: SendOptions & PipeOptions,
  encryptByDefault: boolean,
): PipeSettings & Wait {
  return readOptions<PipeSettings & Wait>(options, {
    ...pipeFields(encryptByDefault),
    ...waitFields(4000, 600_000),
  });
}

/** @throws {@link InvalidInputError} */
export function parseSendOptions(options: SendOptions): Wait {
  return parseWait(options, 4000, 600_000);
}

function parseWait(options: SendOptions, usualMs: number, maxMs: number): Wait {
  return readOptions<Wait>(options, waitFields(usualMs, maxMs));
}

function waitFields(usualMs: number, maxMs: number): Fields<Wait> {
  return { signal: aSignal, timeoutMs: or(number(1, maxMs), usualMs) };
}

function pipeFields(encryptByDefault: boolean): Fields<PipeSettings> {
  return {
    useCache: or(flag, false),
    encrypt: or(flag, encryptByDefault),
    expiryMs: or(number(0, MAX_MS), 3_600_000),
    hintBrokers: or(parseHints, NO_HINTS),
    signal: aSignal,
  };
}

/** @throws {@link InvalidInputError} */
export function parseSignal(options: { readonly signal?: unknown }): AbortSignal | undefined {
  return readOptions<{ readonly signal: AbortSignal | undefined }>(options, { signal: aSignal }).signal;
}

const MAX_MS = 2 ** 31 - 1;

/** The cast is safe enough: JavaScript cannot check more than that the value is a function. */
function aFunction<T>(): Schema<T> {
  return be("a function", (value): value is T => typeof value === "function");
}

const aClock: Schema<RouterOptions["getTime"]> = (value, code, path) => {
  const getTime = aFunction<RouterOptions["getTime"]>()(value, code, path);
  checkClock(getTime);
  return getTime;
};

/** A list of at least one of the choices. Duplicates are removed. */
function someOf<T>(choices: readonly T[]): Schema<readonly T[]> {
  const all = listOf(
    be(`one of ${choices.join(", ")}`, (value): value is T => choices.some((c) => c === value)),
  );
  return (value, code, path) => {
    const chosen = new Set(all(value, code, path));
    check(chosen.size > 0, code, path, "a list of at least one");
    return [...chosen];
  };
}

/** The store itself is returned, not a copy, because its methods need their object. */
const aHintStore: Schema<HintStore> = (value, code, path) => {
  record({ get: aFunction(), set: aFunction() })(value, code, path);
  // The cast is safe: the store has both functions.
  return value as HintStore;
};
