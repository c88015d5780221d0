import { MeshError } from "../errors.js";
import { type Endpoint, parseEndpoint } from "../ip/endpoint.js";
import { formatPrefix, type Prefix, parsePrefix } from "../ip/prefix.js";
import { parseKey } from "../wireguard-key.js";

/** WireGuard's state of an interface. */
export interface DeviceState {
  readonly name: string;
  /** 32 bytes; undefined when the interface has none. */
  readonly privateKey: Uint8Array | undefined;
  /** 32 bytes; undefined when there is no private key. */
  readonly publicKey: Uint8Array | undefined;
  /** 0 when the interface has none. An interface that is down may not have chosen its port yet. */
  readonly listenPort: number;
  /** The mark of WireGuard's own packets; 0 when they have none. */
  readonly fwmark: number;
  readonly peers: readonly DevicePeer[];
}

/** WireGuard's state of a peer. */
export interface DevicePeer {
  /** In base64, as `wg` writes it. */
  readonly publicKey: string;
  /** In base64; secret. */
  readonly presharedKey: string | undefined;
  /**
   * The endpoint that WireGuard sends to; undefined when there is none, or when it has a zone (see
   * {@link endpointText}).
   */
  readonly endpoint: Endpoint | undefined;
  /** The endpoint in the form of `wg`. A link-local address has a zone in this form. */
  readonly endpointText: string | undefined;
  /** All allowed IPs that the peer owns. */
  readonly allowedIps: readonly Prefix[];
  /** The allowed IPs that WireGuard does not have for now; undefined when it has all. */
  readonly withheld?: readonly Prefix[] | undefined;
  /** The time of the last handshake in Unix seconds; undefined when there was none. */
  readonly lastHandshake: number | undefined;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** The interval of persistent keepalive in seconds; 0 when it is off. */
  readonly keepaliveS: number;
}

/** The allowed IPs of a peer that WireGuard has. */
export function givenIps({ allowedIps, withheld = [] }: DevicePeer): readonly Prefix[] {
  const taken = new Set(withheld.map(formatPrefix));
  return allowedIps.filter((ip) => !taken.has(formatPrefix(ip)));
}

/** An earlier state without the peers that are gone since then. */
export function withoutGone(before: DeviceState, { peers }: DeviceState): DeviceState {
  const there = new Set(peers.map(({ publicKey }) => publicKey));
  return { ...before, peers: before.peers.filter(({ publicKey }) => there.has(publicKey)) };
}

/**
 * Reads the output of `wg show IF dump`.
 * @throws {@link MeshError} `COMMAND_FAILED` when the text is not such a dump. The error does not contain the text,
 * because the text has keys
 */
export function parseDump(name: string, text: string): DeviceState {
  const [first = "", ...rest] = text.split("\n");
  const last = rest.pop();
  if (last !== undefined && last !== "") rest.push(last);
  const line = new Line(name, 1, first, 4);
  return {
    name,
    privateKey: line.orNone(0, (field) => parseKey(field)),
    publicKey: line.orNone(1, (field) => parseKey(field)),
    listenPort: line.integer(2, 0xffff),
    fwmark: line.is(3, "off") ? 0 : line.integer(3, 0xffff_ffff),
    peers: rest.map((peer, i) => peerOf(new Line(name, i + 2, peer, 8))),
  };
}

function peerOf(line: Line): DevicePeer {
  const endpointText = line.orNone(2, (field) => (/^[\w.:[\]%-]{1,100}$/.test(field) ? field : undefined));
  const seconds = line.integer(4, Number.MAX_SAFE_INTEGER);
  return {
    publicKey: line.take(0, keyText),
    presharedKey: line.orNone(1, keyText),
    endpoint: endpointText === undefined ? undefined : parseEndpoint(endpointText),
    endpointText,
    allowedIps: line.orNone(3, prefixesOf) ?? [],
    lastHandshake: seconds === 0 ? undefined : seconds,
    receivedBytes: line.integer(5, Number.MAX_SAFE_INTEGER),
    sentBytes: line.integer(6, Number.MAX_SAFE_INTEGER),
    keepaliveS: line.is(7, "off") ? 0 : line.integer(7, 0xffff),
  };
}

function keyText(field: string): string {
  parseKey(field);
  return field;
}

function prefixesOf(field: string): Prefix[] | undefined {
  const prefixes = field.split(",").map(parsePrefix);
  return prefixes.every((prefix) => prefix !== undefined) ? prefixes : undefined;
}

/** One line of a dump: fields separated by tabs. */
class Line {
  readonly #where: string;
  readonly #fields: readonly string[];

  constructor(name: string, number: number, text: string, count: number) {
    this.#where = `\`wg show ${name} dump\`, line ${number}`;
    this.#fields = text.split("\t");
    if (this.#fields.length !== count) throw this.#unexpected(`it has not ${count} fields`);
  }

  is(i: number, word: string): boolean {
    return this.#fields[i] === word;
  }

  /** Reads a field. The reader throws or returns undefined for a field that it cannot read. */
  take<T>(i: number, read: (field: string) => T | undefined): T {
    let value: T | undefined;
    try {
      value = read(this.#fields[i] ?? "");
    } catch {
      // The reader's error is ignored, because it might contain the field.
    }
    if (value === undefined) throw this.#unexpected(`field ${i + 1} is not understood`);
    return value;
  }

  orNone<T>(i: number, read: (field: string) => T | undefined): T | undefined {
    return this.is(i, "(none)") ? undefined : this.take(i, read);
  }

  integer(i: number, most: number): number {
    return this.take(i, (field) => {
      const value = /^(?:\d{1,16}|0x[\da-f]{1,8})$/.test(field) ? Number(field) : Number.NaN;
      return value <= most ? value : undefined;
    });
  }

  #unexpected(why: string): MeshError {
    return new MeshError("COMMAND_FAILED", `${this.#where}: ${why}. Is this \`wg\` of another version?`);
  }
}
