import { platform } from "#platform";
import { type BrokerPool, defaultBrokers, FAMILIES, parseBrokerPool } from "./broker-pool.js";
import { invalidOption } from "./errors.js";
import { type BrokerHint, type HintStore, MemoryHintStore, parseHints } from "./hints.js";
import type { InboundMessage, SendOptions } from "./message.js";
import type { Family, Transport, Verify } from "./platform/platform.js";

/** What a router is made with. */
export interface RouterOptions {
  /**
   * The time, in Unix milliseconds. Required: a wrong clock makes peers drop each other's messages,
   * and must not pass for a signaling fault. `Date.now` is right on one host; elsewhere a corrected
   * clock is better.
   */
  getTime: () => number;
  /** The brokers to use. Default: {@link defaultBrokers}, public ones. */
  brokers?: BrokerPool;
  /** Default: the families this machine has an address in, loopback included. */
  families?: readonly Family[];
  /** The local address to leave by, for both families or for each. Node only. Default: the system's choice. */
  nic?: string | Partial<Record<Family, string>>;
  /** In order of preference. Default: mqtt, mqtts, wss, ws in Node; wss, ws in a browser. */
  transports?: readonly Transport[];
  /** PEM certificates to trust besides the usual ones, for brokers with a CA of their own. Node only. */
  ca?: string;
  /** Called with every message; further ones by `router.addMessageHandler`. */
  onMessage?: (message: InboundMessage) => unknown;
  /** Whether to take packets from this address, asked before a signature is checked. Default: from everyone. */
  accept?: (from: string) => boolean;
  /** How many of the best-ranked reachable brokers to listen on, for each family. Default: 3; 1 to 100. */
  inboundBrokers?: number;
  /**
   * How many further brokers to listen on, for each family, so that a peer that reaches only one of
   * them gets through too, and a failed one is replaced without dialling. Default: 8; 0 to 100.
   */
  reserveBrokers?: number;
  /** How many brokers a message goes to at once, and joins in at each widening. Default: 3; 1 to 100. */
  fanOut?: number;
  /** How long to wait for an ACK before the next brokers join in, ms. Default: 400; 10 to 60 000. */
  widenAfterMs?: number;
  /** How many messages of a pipe may wait for their ACK at once. Default: 64; 1 to 10 000. */
  maxInFlight?: number;
  /** The longest message, sent or received, bytes. Default: 65 536; 1 to 16 777 216. */
  maxMessageBytes?: number;
  /** How long a received message waits for those before it in its queue, ms. Default: 1000; 0 to 60 000. */
  gapTimeoutMs?: number;
  /** After how long without a send a connection that is not listened on is closed, ms. Default: 600 000; from 1000. */
  idleTimeoutMs?: number;
  /** Keeps where peers were found. Default: a {@link MemoryHintStore}. */
  hintStore?: HintStore;
  /** Seal every message, so that only its destination can read it. Python peers cannot. Default: false. */
  encrypt?: boolean;
  /** Take sealed messages only. Default: false. */
  requireEncryption?: boolean;
  /** Dial hinted brokers at loopback, link-local and private addresses that the pool has not. Default: false. */
  allowPrivateHints?: boolean;
  /** Checks signatures instead of the platform's own cryptography. */
  verify?: Verify;
}

/** The options with every default filled in. */
export interface Settings {
  readonly getTime: () => number;
  readonly brokers: BrokerPool;
  readonly families: readonly Family[];
  readonly nic: Partial<Record<Family, string>>;
  readonly transports: readonly Transport[];
  readonly ca: string | undefined;
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
  signal?: AbortSignal;
  /** How long to wait for the first broker, ms. Default: 10 000. */
  timeoutMs?: number;
}

/** What `router.pipe` takes. */
export interface PipeOptions {
  /** Hand out the pipe made before for this destination, if there is one. Default: false. */
  useCache?: boolean;
  /** How long after its last use a cached pipe is handed out again, ms. Default: 3 600 000. */
  expiryMs?: number;
  /** Seal the messages of this pipe, so that only the destination can read them. Default: the router's. */
  encrypt?: boolean;
  /** Where the destination says it listens; tried first. At most {@link MAX_HINTS} are looked at. */
  hintBrokers?: readonly BrokerHint[];
  signal?: AbortSignal;
}

/**
 * Checks a router's options and fills in the defaults. Starts nothing.
 * @throws {@link InvalidInputError} `INVALID_OPTION`, `INVALID_POOL`; {@link SidewireError} `UNSUPPORTED`
 */
export function parseRouterOptions(options: RouterOptions): Settings {
  checkObject(options, "options");
  const { getTime, brokers, hintStore = new MemoryHintStore(), onMessage, accept, nic, ca } = options;
  const { verify = platform.createVerify() } = options;
  checkFunctions({ getTime, verify });
  if (onMessage !== undefined) checkFunctions({ onMessage });
  if (accept !== undefined) checkFunctions({ accept });
  checkObject(hintStore, "hintStore");
  checkFunctions({ "hintStore.get": hintStore.get, "hintStore.set": hintStore.set });
  return {
    getTime,
    brokers: brokers === undefined ? defaultBrokers : parseBrokerPool(brokers),
    families: list(options, "families", FAMILIES, platform.localFamilies()),
    transports: list(options, "transports", platform.transports, platform.transports),
    ...platform.parseSocketOptions(nic, ca),
    onMessage,
    accept,
    inboundBrokers: integer(options, "inboundBrokers", 3, 1, 100),
    reserveBrokers: integer(options, "reserveBrokers", 8, 0, 100),
    fanOut: integer(options, "fanOut", 3, 1, 100),
    widenAfterMs: milliseconds(options, "widenAfterMs", 400, 10, 60_000),
    maxInFlight: integer(options, "maxInFlight", 64, 1, 10_000),
    maxMessageBytes: integer(options, "maxMessageBytes", 65_536, 1, 1 << 24),
    gapTimeoutMs: milliseconds(options, "gapTimeoutMs", 1000, 0, 60_000),
    idleTimeoutMs: milliseconds(options, "idleTimeoutMs", 600_000, 1000, MAX_MS),
    encrypt: flag(options, "encrypt", false),
    requireEncryption: flag(options, "requireEncryption", false),
    allowPrivateHints: flag(options, "allowPrivateHints", false),
    hintStore,
    verify,
  };
}

/** What a wait is given, checked. */
export interface Wait {
  readonly signal: AbortSignal | undefined;
  readonly timeoutMs: number;
}

/** @throws {@link InvalidInputError} */
export function parseStartOptions(options: StartOptions): Wait {
  checkObject(options, "options");
  return { signal: parseSignal(options), timeoutMs: milliseconds(options, "timeoutMs", 10_000, 1, MAX_MS) };
}

/** What `router.pipe` is given, checked. */
export interface PipeSettings {
  readonly useCache: boolean;
  readonly encrypt: boolean;
  readonly expiryMs: number;
  readonly hintBrokers: readonly BrokerHint[];
  readonly signal: AbortSignal | undefined;
}

/** @throws {@link InvalidInputError} */
export function parsePipeOptions(options: PipeOptions, encryptByDefault: boolean): PipeSettings {
  checkObject(options, "options");
  return {
    useCache: flag(options, "useCache", false),
    encrypt: flag(options, "encrypt", encryptByDefault),
    expiryMs: milliseconds(options, "expiryMs", 3_600_000, 0, MAX_MS),
    hintBrokers: options.hintBrokers === undefined ? [] : parseHints(options.hintBrokers),
    signal: parseSignal(options),
  };
}

/** @throws {@link InvalidInputError} */
export function parseSendOptions(options: SendOptions): Wait {
  checkObject(options, "options");
  return { signal: parseSignal(options), timeoutMs: milliseconds(options, "timeoutMs", 4000, 1, 600_000) };
}

/** @throws {@link InvalidInputError} */
export function parseSignal({ signal }: { readonly signal?: unknown }): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw invalidOption("signal", "expected an AbortSignal", signal);
}

const MAX_MS = 2 ** 31 - 1;

/** One of an object's options, as a caller without types may have set it; `undefined` is the default. */
function read<T>(options: object, name: string, fallback: T): unknown {
  const value: unknown = Reflect.get(options, name);
  return value === undefined ? fallback : value;
}

function list<T>(options: object, name: string, allowed: readonly T[], fallback: readonly T[]): readonly T[] {
  const value = read(options, name, fallback);
  if (!Array.isArray(value) || value.length === 0)
    throw invalidOption(name, "expected a list of at least one", value);
  const found = value.map((item: unknown, i) => {
    const match = allowed.find((candidate) => candidate === item);
    if (match !== undefined) return match;
    throw invalidOption(`${name}[${i}]`, `expected one of ${allowed.join(", ")}`, item);
  });
  return [...new Set(found)];
}

function integer(options: object, name: string, fallback: number, min: number, max: number): number {
  const value = milliseconds(options, name, fallback, min, max);
  if (Number.isInteger(value)) return value;
  throw invalidOption(name, "expected a whole number", value);
}

function milliseconds(options: object, name: string, fallback: number, min: number, max: number): number {
  const value = read(options, name, fallback);
  if (typeof value === "number" && value >= min && value <= max) return value;
  throw invalidOption(name, `expected a number from ${min} to ${max}`, value);
}

function flag(options: object, name: string, fallback: boolean): boolean {
  const value = read(options, name, fallback);
  if (typeof value === "boolean") return value;
  throw invalidOption(name, "expected true or false", value);
}

function checkObject(value: unknown, name: string): void {
  if (typeof value !== "object" || value === null) throw invalidOption(name, "expected an object", value);
}

function checkFunctions(functions: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(functions)) {
    if (typeof value !== "function") throw invalidOption(name, "expected a function", value);
  }
}
