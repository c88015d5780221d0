import { MeshError } from "../errors.js";
import { MAX_VALUE_BYTES, type Protocol, protocolNamed, protocolOf } from "./protocols.js";

/** The limits for an address. The address of a host is much shorter. */
const MAX_TEXT = 2048;
const MAX_BYTES = 2048;
const MAX_COMPONENTS = 32;

/** The maximum length of the varint of a known code, in bytes. */
const MAX_VARINT_BYTES = 3;

/** One part of a multiaddr. */
export interface Component {
  readonly name: string;
  /** The value as text; undefined for a protocol without values. */
  readonly value?: string | undefined;
}

/**
 * Reads the parts of a multiaddr from text. Each value is returned in canonical form.
 * @throws {@link MeshError} `INVALID_ADDRESS`
 */
export function parseMultiaddr(text: string): Component[] {
  if (text.length > MAX_TEXT) throw invalid(`it has more than ${MAX_TEXT} characters`);
  const [first, ...words] = text.split("/");
  if (first !== "" || words.length === 0)
    throw invalid("it has to begin with /, as in /ip4/192.0.2.1/udp/51820/wg/u…");
  const components: Component[] = [];
  for (let i = 0; i < words.length; i++) {
    const name = words[i] ?? "";
    const protocol = protocolNamed(name);
    if (protocol === undefined) throw invalid(whyUnknown(name, words[i - 1]));
    if (protocol.value === undefined) components.push({ name });
    else {
      i++;
      const bytes = protocol.value.read(words[i] ?? "");
      if (bytes === undefined) throw invalid(whyNoValue(protocol, words[i]));
      components.push(componentOf(protocol, bytes));
    }
    if (components.length > MAX_COMPONENTS) throw tooMany();
  }
  return components;
}

export function formatMultiaddr(components: readonly Component[]): string {
  return components
    .map(({ name, value }) => (value === undefined ? `/${name}` : `/${name}/${value}`))
    .join("");
}

/**
 * Encodes the parts of a multiaddr as bytes.
 * @throws {@link MeshError} `INVALID_ADDRESS` for an unknown protocol or a malformed value
 */
export function encodeMultiaddr(components: readonly Component[]): Uint8Array {
  const parts = components.flatMap(({ name, value: text }) => {
    const protocol = protocolNamed(name);
    if (protocol === undefined) throw invalid(whyUnknown(name, undefined));
    const { value } = protocol;
    if (value === undefined) return [varint(protocol.code)];
    const bytes = value.read(text ?? "");
    if (bytes === undefined) throw invalid(whyNoValue(protocol, text));
    return [varint(protocol.code), ...(value.size === undefined ? [varint(bytes.length)] : []), bytes];
  });
  return new Uint8Array(Buffer.concat(parts));
}

/**
 * Reads the parts of a multiaddr from bytes.
 * @throws {@link MeshError} `INVALID_ADDRESS`
 */
export function decodeMultiaddr(bytes: Uint8Array): Component[] {
  if (bytes.length === 0 || bytes.length > MAX_BYTES)
    throw invalid(`it has ${bytes.length} bytes, and 1 to ${MAX_BYTES} are expected`);
  const components: Component[] = [];
  const reader = new ByteReader(bytes);
  while (!reader.isAtEnd) {
    const code = reader.varint();
    const protocol = protocolOf(code);
    if (protocol === undefined) throw invalid(`the protocol with the code ${code} is not known here`);
    const { name, value } = protocol;
    if (value === undefined) components.push({ name });
    else {
      const size = value.size ?? reader.varint();
      if (size > MAX_VALUE_BYTES) throw invalid(`/${name}: a value of ${size} bytes is too long`);
      components.push(componentOf(protocol, reader.take(size)));
    }
    if (components.length > MAX_COMPONENTS) throw tooMany();
  }
  return components;
}

export function invalid(why: string): MeshError {
  return new MeshError("INVALID_ADDRESS", `multiaddr: ${why}`);
}

function componentOf({ name, value }: Protocol, bytes: Uint8Array): Component {
  const text = value?.write(bytes);
  if (text === undefined) throw invalid(`/${name}: ${value?.expected}`);
  return { name, value: text };
}

function tooMany(): MeshError {
  return invalid(`it has more than ${MAX_COMPONENTS} parts`);
}

function whyUnknown(name: string, before: string | undefined): string {
  if (name === "") return "a part of it is empty: look for // and for a / at its end";
  // A key in the form of `wg` may contain a slash, which splits the key into two parts.
  const hint = before?.startsWith("wg") ? WG_HINT : "";
  return `/${shown(name)}: this protocol is not known here${hint}`;
}

function whyNoValue({ name, value }: Protocol, text: string | undefined): string {
  if (text === undefined) return `/${name}: its value is missing`;
  const hint = name === "wg" ? WG_HINT : "";
  return `/${name}/${shown(text)}: ${name === "wg" ? "" : "it is not "}${value?.expected}${hint}`;
}

const WG_HINT =
  ". A key as `wg` writes it has another alphabet: `sidewire-mesh multiaddr show --key KEY` converts it";

/** The start of a text, for an error. */
function shown(text: string): string {
  return text.length > 50 ? `${text.slice(0, 50)}…` : text;
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Uint8Array.of(...bytes, rest);
}

class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at === this.#bytes.length;
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw invalid("its bytes end too early");
    const taken = this.#bytes.slice(this.#at, end);
    this.#at = end;
    return taken;
  }

  /** Reads an unsigned varint. Only the shortest encoding is accepted. */
  varint(): number {
    let value = 0;
    for (let i = 0; i < MAX_VARINT_BYTES; i++) {
      const [byte = 0] = this.take(1);
      value |= (byte & 0x7f) << (7 * i);
      if (byte > 0x7f) continue;
      if (byte === 0 && i > 0) throw invalid("a number in it is longer than it has to be");
      return value;
    }
    throw invalid("a number in it is too large");
  }
}
