import bundled from "../brokers.json" with { type: "json" };
import { type BrokerAddress, InvalidInputError } from "./errors.js";
import type { Family, Transport } from "./platform/platform.js";

const IPV4_LITERAL = /^\d{1,3}(\.\d{1,3}){3}$/;

/** The families a pool has, in the order in which they are listed. */
export const FAMILIES: readonly Family[] = ["IPv4", "IPv6"];

/** What a pool says of one broker. At least one port makes it usable. */
export interface BrokerEntry {
  /** Port of MQTT over TCP. */
  readonly port?: number;
  /** Port of MQTT over TLS. */
  readonly tls?: number;
  /** Port of MQTT over WebSocket. */
  readonly ws?: number;
  /** Port of MQTT over WebSocket with TLS. */
  readonly wss?: number;
  /** Path of the WebSocket. Default: `/mqtt`. */
  readonly path?: string;
  /** Share of the destinations that rank it first, relative to the others. Default: 1; positive. */
  readonly weight?: number;
  readonly username?: string;
  readonly password?: string;
  /** How many publishes the operator tolerates. Default: unlimited. */
  readonly rate?: BrokerRate;
}

/** A token bucket: `burst` publishes at once, refilled `perSecond`. */
export interface BrokerRate {
  readonly perSecond: number;
  readonly burst: number;
}

/** The brokers a router may use, by family and host. `updated` is a date, for people. */
export interface BrokerPool {
  readonly updated?: string;
  readonly IPv4?: Readonly<Record<string, BrokerEntry>>;
  readonly IPv6?: Readonly<Record<string, BrokerEntry>>;
}

/** One broker of a pool, or one that a hint named. */
export interface Broker extends BrokerAddress, BrokerEntry {
  readonly family: Family;
  readonly weight: number;
  /** Whether it must be at a public address, because a stranger may have named it. */
  readonly publicOnly?: boolean;
}

/** The public brokers that come with the package, with the date of their check. */
export const defaultBrokers: BrokerPool = parseBrokerPool(bundled);

/**
 * Checks a broker pool, for instance one read from a file. Fields that it does not know are left out.
 *
 * @param pool - an object in the format of `brokers.json`, or its JSON text
 * @returns a copy with every entry's `weight` filled in
 * @throws {@link InvalidInputError} `INVALID_POOL`, whose `path` names the entry and the field
 *
 * @example
 * ```ts
 * const pool = parseBrokerPool({ IPv4: { "broker.example.com": { port: 1883, wss: 8884 } } });
 * ```
 */
export function parseBrokerPool(pool: unknown): BrokerPool {
  const root = typeof pool === "string" ? parseJson(pool) : pool;
  if (!isRecord(root)) throw invalid("pool", "expected an object with IPv4 and IPv6");
  const { updated } = root;
  if (updated !== undefined && typeof updated !== "string")
    throw invalid("updated", "expected a date as text");
  return {
    ...(updated === undefined ? {} : { updated }),
    IPv4: parseFamily("IPv4", root.IPv4),
    IPv6: parseFamily("IPv6", root.IPv6),
  };
}

/** The brokers of one family of a pool. */
export function brokersOf(pool: BrokerPool, family: Family): Broker[] {
  return Object.entries(pool[family] ?? {}).map(([host, entry]) => ({ weight: 1, ...entry, family, host }));
}

/** The port under which a broker speaks a transport, if it does. */
export function portOf(broker: BrokerEntry, transport: Transport): number | undefined {
  return transport === "mqtt" ? broker.port : transport === "mqtts" ? broker.tls : broker[transport];
}

/** The part of a broker that may be shown: no credentials. */
export function addressOf(broker: Broker): BrokerAddress {
  const { family, host, port } = broker;
  return port === undefined ? { family, host } : { family, host, port };
}

function parseFamily(family: Family, value: unknown): Record<string, BrokerEntry> {
  if (value === undefined) return {};
  if (!isRecord(value)) throw invalid(family, "expected an object of hosts");
  return Object.fromEntries(
    Object.entries(value).map(([host, entry]) => {
      const path = `${family}[${JSON.stringify(host)}]`;
      checkHost(family, host, path);
      return [host, parseEntry(entry, path)];
    }),
  );
}

function checkHost(family: Family, host: string, path: string): void {
  if (!isHost(host)) throw invalid(path, "expected a host name or an address in ASCII");
  if (family === "IPv6" && IPV4_LITERAL.test(host))
    throw invalid(path, "an IPv4 address among the IPv6 brokers");
  if (family === "IPv4" && host.includes(":")) throw invalid(path, "an IPv6 address among the IPv4 brokers");
}

/** Whether this can be a host name or an address: printable ASCII without what separates parts of a URL. */
export function isHost(host: unknown): host is string {
  return typeof host === "string" && /^[!-~]{1,253}$/.test(host) && !/[/\\@?#[\]"]/.test(host);
}

/** Whether this is a port that can be connected to. */
export function isPort(port: unknown): port is number {
  return Number.isInteger(port) && Number(port) >= 1 && Number(port) <= 65535;
}

function parseEntry(value: unknown, path: string): BrokerEntry {
  if (!isRecord(value)) throw invalid(path, "expected an object");
  const { weight = 1, path: wsPath, username, password, rate } = value;
  if (!isPositive(weight)) throw invalid(`${path}.weight`, "expected a positive number");
  if (wsPath !== undefined && !(typeof wsPath === "string" && wsPath.startsWith("/"))) {
    throw invalid(`${path}.path`, 'expected a text that starts with "/"');
  }
  return {
    ...parsePorts(value, path),
    weight,
    ...(wsPath === undefined ? {} : { path: wsPath }),
    ...parseText({ username, password }, path),
    ...(rate === undefined ? {} : { rate: parseRate(rate, `${path}.rate`) }),
  };
}

function parsePorts(value: Record<string, unknown>, path: string): BrokerEntry {
  const ports: Record<string, number> = {};
  for (const name of ["port", "tls", "ws", "wss"]) {
    const port = value[name];
    if (port === undefined) continue;
    if (!isPort(port)) throw invalid(`${path}.${name}`, "expected a port from 1 to 65535");
    ports[name] = port;
  }
  return ports;
}

function parseText(texts: Record<string, unknown>, path: string): Record<string, string> {
  const parsed: Record<string, string> = {};
  for (const [name, text] of Object.entries(texts)) {
    if (text === undefined) continue;
    if (typeof text !== "string") throw invalid(`${path}.${name}`, "expected text");
    parsed[name] = text;
  }
  return parsed;
}

function parseRate(value: unknown, path: string): BrokerRate {
  if (!isRecord(value)) throw invalid(path, "expected { perSecond, burst }");
  const { perSecond, burst } = value;
  if (!isPositive(perSecond)) throw invalid(`${path}.perSecond`, "expected a positive number");
  if (!isPositive(burst) || burst < 1) throw invalid(`${path}.burst`, "expected a number of at least 1");
  return { perSecond, burst };
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && value > 0;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message quotes the text, which may hold credentials.
    throw invalid("pool", "not JSON");
  }
}

function invalid(path: string, problem: string): InvalidInputError {
  return new InvalidInputError("INVALID_POOL", path, problem);
}
