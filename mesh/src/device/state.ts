import { MeshError } from "../errors.js";
import { type Endpoint, parseEndpoint } from "../ip/endpoint.js";
import { formatPrefix, type Prefix, parsePrefix } from "../ip/prefix.js";
import { parseKey } from "../wireguard-key.js";

/** What WireGuard shows of an interface. */
export interface DeviceState {
  readonly name: string;
  /** 32 bytes; undefined while it has none. */
  readonly privateKey: Uint8Array | undefined;
  /** 32 bytes; undefined while there is no private key. */
  readonly publicKey: Uint8Array | undefined;
  /** 0 while it has none: an interface that is down may wait with the choice. */
  readonly listenPort: number;
  /** The mark of its own packets; 0 when they have none. */
  readonly fwmark: number;
  readonly peers: readonly DevicePeer[];
}

/** What WireGuard shows of a peer. */
export interface DevicePeer {
  /** base64, as `wg` writes it. */
  readonly publicKey: string;
  /** base64, secret. */
  readonly presharedKey: string | undefined;
  /** Where WireGuard sends; undefined when there is none, and when it has a zone (see {@link endpointText}). */
  readonly endpoint: Endpoint | undefined;
  /** The endpoint as `wg` writes it, and takes it back: that of a link-local address has a zone. */
  readonly endpointText: string | undefined;
  /** All that it owns. */
  readonly allowedIps: readonly Prefix[];
  /** Of these, what WireGuard does not have for now; undefined: it has all. */
  readonly withheld?: readonly Prefix[] | undefined;
  /** Of the last handshake, Unix seconds; undefined when there was none. */
  readonly lastHandshake: number | undefined;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  /** Of persistent keepalive, seconds; 0 when it is off. */
  readonly keepaliveS: number;
}

/** Of a peer's allowed IPs, those that WireGuard has. */
export function givenIps({ allowedIps, withheld = [] }: DevicePeer): readonly Prefix[] {
  const taken = new Set(withheld.map(formatPrefix));
  return allowedIps.filter((ip) => !taken.has(formatPrefix(ip)));
}

/**
 * What `wg show IF dump` says, key by key.
 * @throws {@link MeshError} `COMMAND_FAILED` for what is not such a dump; the text itself is not shown, it has keys
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

/** One line of a dump: fields between tabs. */
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

  /** A field that a reader understands: what it cannot read, it throws at or makes undefined of. */
  take<T>(i: number, read: (field: string) => T | undefined): T {
    let value: T | undefined;
    try {
      value = read(this.#fields[i] ?? "");
    } catch {
      // An error of the reader might show the field.
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
