import { platform } from "#platform";
import { type BrokerPool, defaultBrokers, FAMILIES, parseBrokerPool } from "./broker-pool.js";
import { InvalidInputError, SidewireError } from "./errors.js";
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
  checkFunction(options.getTime, "getTime");
  for (const name of ["onMessage", "accept", "verify"] as const) {
    if (options[name] !== undefined) checkFunction(options[name], name);
  }
  return {
    getTime: options.getTime,
    brokers: options.brokers === undefined ? defaultBrokers : parseBrokerPool(options.brokers),
    families: parseList(options.families, "families", FAMILIES, platform.localFamilies()),
    nic: parseNic(options.nic),
    transports: parseList(options.transports, "transports", platform.transports, platform.transports),
    ca: parseCa(options.ca),
    onMessage: options.onMessage,
    accept: options.accept,
    inboundBrokers: integer(options.inboundBrokers, "inboundBrokers", 3, 1, 100),
    reserveBrokers: integer(options.reserveBrokers, "reserveBrokers", 8, 0, 100),
    fanOut: integer(options.fanOut, "fanOut", 3, 1, 100),
    widenAfterMs: milliseconds(options.widenAfterMs, "widenAfterMs", 400, 10, 60_000),
    maxInFlight: integer(options.maxInFlight, "maxInFlight", 64, 1, 10_000),
    maxMessageBytes: integer(options.maxMessageBytes, "maxMessageBytes", 65_536, 1, 1 << 24),
    gapTimeoutMs: milliseconds(options.gapTimeoutMs, "gapTimeoutMs", 1000, 0, 60_000),
    idleTimeoutMs: milliseconds(options.idleTimeoutMs, "idleTimeoutMs", 600_000, 1000, MAX_MS),
    encrypt: flag(options.encrypt, "encrypt", false),
    requireEncryption: flag(options.requireEncryption, "requireEncryption", false),
    allowPrivateHints: flag(options.allowPrivateHints, "allowPrivateHints", false),
    hintStore: parseStore(options.hintStore),
    verify: options.verify ?? platform.createVerify(),
  };
}

/** @throws {@link InvalidInputError} */
export function parseStartOptions(options: StartOptions): {
  signal: AbortSignal | undefined;
  timeoutMs: number;
} {
  checkObject(options, "options");
  return {
    signal: parseSignal(options.signal),
    timeoutMs: milliseconds(options.timeoutMs, "timeoutMs", 10_000, 1, MAX_MS),
  };
}

/** @throws {@link InvalidInputError} */
export function parsePipeOptions(
  options: PipeOptions,
  encryptByDefault: boolean,
): {
  useCache: boolean;
  encrypt: boolean;
  expiryMs: number;
  hintBrokers: readonly BrokerHint[];
  signal: AbortSignal | undefined;
} {
  checkObject(options, "options");
  return {
    useCache: flag(options.useCache, "useCache", false),
    encrypt: flag(options.encrypt, "encrypt", encryptByDefault),
    expiryMs: milliseconds(options.expiryMs, "expiryMs", 3_600_000, 0, MAX_MS),
    hintBrokers: options.hintBrokers === undefined ? [] : parseHints(options.hintBrokers),
    signal: parseSignal(options.signal),
  };
}

/** @throws {@link InvalidInputError} */
export function parseSendOptions(options: SendOptions): {
  signal: AbortSignal | undefined;
  timeoutMs: number;
} {
  checkObject(options, "options");
  return {
    signal: parseSignal(options.signal),
    timeoutMs: milliseconds(options.timeoutMs, "timeoutMs", 4000, 1, 600_000),
  };
}

/** @throws {@link InvalidInputError} */
export function parseSignal(signal: unknown): AbortSignal | undefined {
  if (signal === undefined || signal instanceof AbortSignal) return signal;
  throw invalid("signal", "expected an AbortSignal", signal);
}

const MAX_MS = 2 ** 31 - 1;

function parseList<T>(
  value: unknown,
  name: string,
  allowed: readonly T[],
  fallback: readonly T[],
): readonly T[] {
  if (value === undefined) return fallback;
  if (!Array.isArray(value) || value.length === 0)
    throw invalid(name, "expected an array of at least one", value);
  return [
    ...new Set(
      value.map((item: unknown, i) => {
        const found = allowed.find((candidate) => candidate === item);
        if (found === undefined)
          throw invalid(`${name}[${i}]`, `expected one of ${allowed.join(", ")}`, item);
        return found;
      }),
    ),
  ];
}

function parseNic(nic: RouterOptions["nic"]): Partial<Record<Family, string>> {
  if (nic === undefined) return {};
  if (!platform.bindsSockets)
    throw new SidewireError("UNSUPPORTED", "nic: a browser cannot choose the local address");
  if (typeof nic === "string") return { [familyOf(nic, "nic")]: nic };
  checkObject(nic, "nic");
  for (const family of FAMILIES) {
    const address = nic[family];
    if (address !== undefined && familyOf(address, `nic.${family}`) !== family) {
      throw invalid(`nic.${family}`, `expected an ${family} address`, address);
    }
  }
  return nic;
}

/** The family of a literal address. */
function familyOf(address: unknown, path: string): Family {
  if (typeof address === "string") {
    if (/^\d{1,3}(\.\d{1,3}){3}$/.test(address)) return "IPv4";
    if (/^[0-9a-f:.]*:[0-9a-f:.]*(%\w+)?$/i.test(address)) return "IPv6";
  }
  throw invalid(path, "expected an IP address of this machine", address);
}

function parseCa(ca: unknown): string | undefined {
  if (ca === undefined) return undefined;
  if (!platform.bindsSockets)
    throw new SidewireError("UNSUPPORTED", "ca: a browser trusts its own certificates only");
  if (typeof ca === "string" && ca.includes("-----BEGIN CERTIFICATE-----")) return ca;
  throw invalid("ca", "expected certificates in PEM", typeof ca);
}

function parseStore(store: HintStore | undefined): HintStore {
  if (store === undefined) return new MemoryHintStore();
  checkObject(store, "hintStore");
  checkFunction(store.get, "hintStore.get");
  checkFunction(store.set, "hintStore.set");
  return store;
}

function integer(value: unknown, name: string, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback;
  if (Number.isInteger(value) && Number(value) >= min && Number(value) <= max) return Number(value);
  throw invalid(name, `expected a whole number from ${min} to ${max}`, value);
}

function milliseconds(value: unknown, name: string, fallback: number, min: number, max: number): number {
  if (value === undefined) return fallback;
  if (typeof value === "number" && value >= min && value <= max) return value;
  throw invalid(name, `expected ${min} to ${max} ms`, value);
}

function flag(value: unknown, name: string, fallback: boolean): boolean {
  if (value === undefined) return fallback;
  if (typeof value === "boolean") return value;
  throw invalid(name, "expected true or false", value);
}

function checkObject(value: unknown, name: string): void {
  if (typeof value !== "object" || value === null) throw invalid(name, "expected an object", value);
}

function checkFunction(value: unknown, name: string): void {
  if (typeof value !== "function") throw invalid(name, "expected a function", value);
}

function invalid(path: string, problem: string, got: unknown): InvalidInputError {
  return new InvalidInputError("INVALID_OPTION", path, `${problem}, got ${describe(got)}`);
}

function describe(value: unknown): string {
  return typeof value === "string"
    ? JSON.stringify(value.slice(0, 80))
    : typeof value === "object"
      ? "an object"
      : String(value);
}
