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

/** A router that others are put over; any `Router` is one. */
export interface ConnectionsOwner {
  /** Its own address. */
  readonly address: string;
  /** Where it listens. */
  hints(): BrokerHint[];
  /** Closes the connections that nobody needs now. */
  closeIdle(): Promise<number>;
  /** Closes it, and with it those over its connections. */
  close(options?: { signal?: AbortSignal | undefined }): Promise<void>;
}

/** What a router is made with. */
export interface RouterOptions {
  /**
   * The time, in Unix milliseconds. Required: a wrong clock makes peers drop each other's messages,
   * and must not pass for a signaling fault. `Date.now` is right on one host; elsewhere a corrected
   * clock is better. One in seconds is refused. What comes in while it fails is not taken, and what is
   * sent then rejects with `INVALID_OPTION`.
   */
  getTime: () => number;
  /**
   * Another address on the connections of this router, which may be over another one itself: the same sessions with
   * the same brokers at the same rates, each address with its own topic, ranking, order, handlers, limits and end.
   * Each of them is there once. `brokers`, `families`, `nic`, `transports`, `allowInsecure`, `ca`, `idleTimeoutMs` and
   * `allowPrivateHints` belong to the connections: they are those of the router that owns them, and an error here.
   * Default: connections of its own.
   */
  over?: ConnectionsOwner | undefined;
  /** The brokers to use. Default: {@link defaultBrokers}, public ones. */
  brokers?: BrokerPool | undefined;
  /** Default: the families this machine has an address in, loopback included; both where it does not tell. */
  families?: readonly Family[] | undefined;
  /** The local address to leave by: one, for its own family, or one for each. Node only. Default: the system's choice. */
  nic?: string | Partial<Record<Family, string>> | undefined;
  /**
   * In order of preference. Default: mqtt, mqtts, wss, ws in Node; wss, ws in a browser. After one with TLS none
   * without is tried, and a broker's login goes over TLS alone where its entry has `tls` or `wss`: see
   * {@link allowInsecure}.
   */
  transports?: readonly Transport[] | undefined;
  /**
   * Let a transport without TLS take the place of one with TLS that failed, and carry a broker's login although its
   * entry has `tls` or `wss`. Whoever sits in between can make the one fail to see the other. Default: false.
   */
  allowInsecure?: boolean | undefined;
  /** PEM certificates to trust besides the usual ones, for brokers with a CA of their own. Node only. */
  ca?: string | undefined;
  /** Called with every message; further ones by `router.addMessageHandler`. */
  onMessage?: ((message: InboundMessage) => unknown) | undefined;
  /**
   * Whether to take packets from this address, asked before a signature is checked. Anything but `true`, at once,
   * counts as no, and so does an error. Default: from everyone.
   */
  accept?: ((from: string) => boolean) | undefined;
  /** How many of the best-ranked reachable brokers to listen on, for each family. Default: 3; 1 to 100. */
  inboundBrokers?: number | undefined;
  /**
   * How many further brokers to listen on, for each family, so that a peer that reaches only one of
   * them gets through too, and a failed one is replaced without dialling. Default: 8; 0 to 100.
   */
  reserveBrokers?: number | undefined;
  /** How many brokers a message goes to at once, and joins in at each widening. Default: 3; 1 to 100. */
  fanOut?: number | undefined;
  /** How long to wait for an ACK before the next brokers join in, ms. Default: 400; 10 to 60 000. */
  widenAfterMs?: number | undefined;
  /**
   * How many messages of a pipe may wait for their ACK at once; 8 for two seconds, while the peer has not answered yet.
   * Default: 64; 1 to 10 000.
   */
  maxInFlight?: number | undefined;
  /**
   * The longest message, sent or received, bytes. Default: 61 440 (60 KiB), which sealed, signed and addressed is
   * within the 64 KB that operators of public brokers allow; 1 to 16 777 216.
   */
  maxMessageBytes?: number | undefined;
  /** How long a received message waits for those before it in its queue, ms. Default: 1000; 0 to 60 000. */
  gapTimeoutMs?: number | undefined;
  /** After how long without a send a connection that is not listened on is closed, ms. Default: 600 000; from 1000. */
  idleTimeoutMs?: number | undefined;
  /** Keeps where peers were found. Default: a {@link MemoryHintStore}. */
  hintStore?: HintStore | undefined;
  /**
   * Seal every message, so that only its destination can read it. Default: false.
   *
   * **A Python peer cannot read it, and acknowledges it all the same**: `send` reports success for a message that its
   * application never gets.
   */
  encrypt?: boolean | undefined;
  /** Take sealed messages only. Default: false. */
  requireEncryption?: boolean | undefined;
  /** Dial hinted brokers at loopback, link-local and private addresses that the pool has not. Default: false. */
  allowPrivateHints?: boolean | undefined;
  /** Checks signatures instead of the platform's own cryptography. */
  verify?: Verify | undefined;
}

/** The options with every default filled in. */
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

/** What `router.start` takes. */
export interface StartOptions {
  /** Ends the wait with an `AbortError`; the router goes on trying. */
  signal?: AbortSignal | undefined;
  /** How long to wait for the first broker, ms. Default: 10 000. */
  timeoutMs?: number | undefined;
}

/** What `router.pipe` takes. */
export interface PipeOptions {
  /** Hand out the pipe made before for this destination, if there is one. Default: false. */
  useCache?: boolean | undefined;
  /** How long after it was last handed out a cached pipe is handed out again, ms. Default: 3 600 000. */
  expiryMs?: number | undefined;
  /**
   * Seal the messages of this pipe, so that only the destination can read them; not for a Python peer, which cannot
   * read them, and acknowledges them all the same. Default: the router's.
   */
  encrypt?: boolean | undefined;
  /**
   * Where the destination says it listens; tried first. At most 6 are used. What is malformed or may not be dialled
   * is left out, and counted in `stats().skippedHints`.
   */
  hintBrokers?: readonly BrokerHint[] | undefined;
  /** Ends the wait for the first broker with an `AbortError`. */
  signal?: AbortSignal | undefined;
}

/**
 * Checks a router's options and fills in the defaults. Starts nothing.
 *
 * @param shared - the settings of the router whose connections it uses
 * @throws {@link InvalidInputError} `INVALID_OPTION`, `INVALID_POOL`; {@link SidewireError} `UNSUPPORTED`
 */
export function parseRouterOptions(options: RouterOptions, shared?: Settings): Settings {
  const { nic, ca, over, ...read } = readOptions<
    Omit<Settings, keyof SocketOptions> & { nic: unknown; ca: unknown; over: unknown }
  >(options, {
    getTime: aClock,
    // Looked at by the router.
    over: (value) => value,
    brokers: or(parseBrokerPool, defaultBrokers),
    // Looked up only where it is needed: that takes as long as a tenth of a connection.
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
    // Looked at by the platform.
    nic: (value) => value,
    ca: (value) => value,
    ...(shared && ofConnections(shared)),
  });
  return { ...read, ...(shared ? { nic: shared.nic, ca: shared.ca } : platform.parseSocketOptions(nic, ca)) };
}

/** What belongs to the connections, and not to one of the addresses on them. */
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

/** As it is, and nobody else's to choose. */
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

/** What a wait is given, checked. */
export interface Wait {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/** @throws {@link InvalidInputError} */
export function parseStartOptions(options: StartOptions): Wait {
  return parseWait(options, 10_000, MAX_MS);
}

/** What `router.pipe` is given, checked. */
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

/** That it is a function is all that can be seen of it. */
function aFunction<T>(): Schema<T> {
  return be("a function", (value): value is T => typeof value === "function");
}

const aClock: Schema<RouterOptions["getTime"]> = (value, code, path) => {
  const getTime = aFunction<RouterOptions["getTime"]>()(value, code, path);
  checkClock(getTime);
  return getTime;
};

/** At least one of the choices, each once. */
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

/** Taken as it is: its methods belong to it. */
const aHintStore: Schema<HintStore> = (value, code, path) => {
  record({ get: aFunction(), set: aFunction() })(value, code, path);
  // It has both functions.
  return value as HintStore;
};
