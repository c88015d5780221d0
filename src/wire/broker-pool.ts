import bundled from "../../brokers.json" with { type: "json" };
import type { BrokerAddress } from "../base/errors.js";
import { be, check, isRecord, number, optional, or, record, type Schema, text } from "../base/schema.js";
import type { Family } from "../platform/platform.js";
import { TRANSPORTS, type Transport } from "../platform/transports.js";

/** The address families of a pool, in the order in which they are listed. */
export const FAMILIES: readonly Family[] = ["IPv4", "IPv6"];

/** What a pool says about one broker. A usable entry has at least one port. */
export interface BrokerEntry {
  /** The port of MQTT over TCP. */
  readonly port?: number;
  /** The port of MQTT over TLS. */
  readonly tls?: number;
  /** The port of MQTT over WebSocket. */
  readonly ws?: number;
  /** The port of MQTT over WebSocket with TLS. */
  readonly wss?: number;
  /** The path of the WebSocket. Default: `/mqtt`. */
  readonly path?: string;
  /** How many destinations rank this broker first, relative to the other brokers. Positive; default: 1. */
  readonly weight?: number;
  /** The user name, for a broker that requires a login. No error, event or hint contains the user name. */
  readonly username?: string;
  /** The password, for a broker that requires a login. No error, event or hint contains the password. */
  readonly password?: string;
  /** How many publishes the operator allows. Default: unlimited. */
  readonly rate?: BrokerRate;
}

/** A token bucket: it holds at most `burst` publishes, and gains `perSecond` publishes each second. */
export interface BrokerRate {
  /** Publishes per second in the long run; positive. */
  readonly perSecond: number;
  /** Publishes at once after a pause; at least 1. */
  readonly burst: number;
}

/**
 * The brokers that a router may use, by family and host. The ranking hashes the host as it is spelled, so both peers
 * must use the same spelling.
 *
 * @example
 * ```ts
 * const pool: BrokerPool = { IPv4: { "broker.example.com": { port: 1883, wss: 8884 } } };
 * ```
 */
export interface BrokerPool {
  /** The date of the last check, such as `2026-01-31`. For people only. */
  readonly updated?: string;
  /** The brokers to connect to over IPv4. */
  readonly IPv4?: Readonly<Record<string, BrokerEntry>>;
  /** The brokers to connect to over IPv6. */
  readonly IPv6?: Readonly<Record<string, BrokerEntry>>;
}

/** One broker of a pool, with its host and family. */
export interface PoolBroker extends BrokerAddress, BrokerEntry {
  readonly family: Family;
  readonly weight: number;
}

/** A broker that may be dialled: from the pool, or from a hint. */
export interface Broker extends PoolBroker {
  /** True when the broker must have a public address, because a stranger may have named the broker. */
  readonly publicOnly?: boolean;
}

/**
 * Checks a broker pool, for instance one read from a file. Unknown fields are left out.
 *
 * @param pool - an object in the format of `brokers.json`, or its JSON text
 * @returns a copy, with the `weight` of every entry filled in
 * @throws {@link InvalidInputError} `INVALID_POOL`; its `path` names the entry and the field
 *
 * @example
 * ```ts
 * const pool = parseBrokerPool({ IPv4: { "broker.example.com": { port: 1883, wss: 8884 } } });
 * ```
 */
export function parseBrokerPool(pool: unknown): BrokerPool {
  return readPool(typeof pool === "string" ? parseJson(pool) : pool, "INVALID_POOL", "");
}

/** The brokers of one family of a pool. */
export function brokersOf(pool: BrokerPool, family: Family): Broker[] {
  return Object.entries(pool[family] ?? {}).map(([host, entry]) => ({ weight: 1, ...entry, family, host }));
}

/** Every port of a broker, the port of plain MQTT first. */
export function portsOf(broker: BrokerEntry): number[] {
  return Object.values(TRANSPORTS).flatMap(({ portField }) => broker[portField] ?? []);
}

/** The port of a broker for a transport, if the broker has one. */
export function portOf(broker: BrokerEntry, transport: Transport): number | undefined {
  return broker[TRANSPORTS[transport].portField];
}

/** The fields of a broker that may be shown: no credentials. */
export function addressOf(broker: Broker): BrokerAddress {
  const { family, host, port } = broker;
  return port === undefined ? { family, host } : { family, host, port };
}

/**
 * Whether a value can be a host name or an address: printable ASCII without the characters that separate parts of a
 * URL.
 */
export function isHost(host: unknown): host is string {
  return typeof host === "string" && /^[!-~]{1,253}$/.test(host) && !/[/\\@?#[\]"]/.test(host);
}

/** Patterns for addresses that belong to the other family. */
const MISPLACED: Readonly<Record<Family, RegExp>> = { IPv4: /:/, IPv6: /^\d{1,3}(\.\d{1,3}){3}$/ };

/** Whether a host is an address of the other family. */
export function isMisplaced(host: string, family: Family): boolean {
  return MISPLACED[family].test(host);
}

export function isPort(port: unknown): port is number {
  return Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65_535;
}

export const aHost: Schema<string> = be("a host name or an address in ASCII", isHost);

const aPort: Schema<number> = be("a port from 1 to 65535", isPort);

export const positive: Schema<number> = be(
  "a positive number",
  (value): value is number => typeof value === "number" && value > 0 && value < Number.POSITIVE_INFINITY,
);

/** MQTT stores the length of a text in two bytes, and UTF-8 needs at most three bytes for each UTF-16 unit. */
const MAX_CREDENTIAL = 21_845;

const credential: Schema<string> = be(
  `text of at most ${MAX_CREDENTIAL} characters`,
  (value): value is string => typeof value === "string" && value.length <= MAX_CREDENTIAL,
);

const readEntry: Schema<BrokerEntry> = record<BrokerEntry>({
  port: optional(aPort),
  tls: optional(aPort),
  ws: optional(aPort),
  wss: optional(aPort),
  path: optional(
    be(
      'a text that starts with "/"',
      (value): value is string => typeof value === "string" && value.startsWith("/"),
    ),
  ),
  weight: or(positive, 1),
  username: optional(credential),
  password: optional(credential),
  rate: optional(record<BrokerRate>({ perSecond: positive, burst: number(1) })),
});

function readFamily(family: Family): Schema<Readonly<Record<string, BrokerEntry>>> {
  return (value, code, path) => {
    check(isRecord(value), code, path, "an object of hosts");
    const entries = Object.entries(value).map(([host, entry]) => {
      const place = `${path}[${JSON.stringify(host)}]`;
      aHost(host, code, place);
      check(!isMisplaced(host, family), code, place, `an ${path} address or a name`);
      return [host, readEntry(entry, code, place)];
    });
    return Object.fromEntries(entries);
  };
}

const readPool: Schema<BrokerPool> = record<BrokerPool>(
  {
    updated: optional(text),
    IPv4: or(readFamily("IPv4"), {}),
    IPv6: or(readFamily("IPv6"), {}),
  },
  "pool",
);

function parseJson(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    // The parser's own message is left out: it quotes the text, which may contain credentials.
    check(false, "INVALID_POOL", "pool", "JSON");
  }
}

/** The public brokers that come with the package, with the date of their last check. */
export const defaultBrokers: BrokerPool = parseBrokerPool(bundled);
