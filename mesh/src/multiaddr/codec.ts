import { KEY_BYTES } from "../wireguard-key.js";
import { invalid } from "./multiaddr.js";
import { formatWgKey, parseWgKey, WG_CODE } from "./wg-key.js";

/** The protocol `wg` in the form that the registry of `@multiformats/multiaddr` expects. */
export interface WgCodec {
  readonly code: number;
  readonly name: string;
  /** The length of a value in bits. */
  readonly size: number;
  /** @throws {@link MeshError} `INVALID_ADDRESS` */
  readonly valueToBytes: (value: string) => Uint8Array<ArrayBuffer>;
  /** @throws {@link MeshError} `INVALID_ADDRESS` */
  readonly bytesToValue: (bytes: Uint8Array) => string;
  /** @throws {@link MeshError} `INVALID_ADDRESS` */
  readonly validate: (value: string) => void;
}

/** The codec: code 0x01C7, values of 32 bytes, as text `u` and 43 characters of base64url. */
export const wgCodec: WgCodec = {
  code: WG_CODE,
  name: "wg",
  size: KEY_BYTES * 8,
  valueToBytes: bytesOf,
  bytesToValue(bytes) {
    const text = formatWgKey(bytes);
    if (text === undefined) throw invalid(`/wg: ${KEY_BYTES} bytes are expected`);
    return text;
  },
  validate(value) {
    bytesOf(value);
  },
};

function bytesOf(value: string): Uint8Array<ArrayBuffer> {
  const bytes = parseWgKey(value);
  if (bytes === undefined)
    throw invalid("/wg: u and 43 characters of base64url are expected, without padding");
  return new Uint8Array(bytes);
}
