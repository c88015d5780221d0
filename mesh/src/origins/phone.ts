import { formatPrefix, type Prefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";

/** A device with only WireGuard, such as a phone, and the host of its connection. */
export interface Phone {
  /** 32 bytes. */
  readonly privateKey: Uint8Array;
  /** The addresses of the phone in the tunnel. */
  readonly addresses: readonly Prefix[];
  /** DNS servers, as addresses. */
  readonly dns: readonly string[];
  /** 32 bytes. Only the phone and the host know this key. */
  readonly presharedKey: Uint8Array;
  readonly host: {
    /** In base64. */
    readonly publicKey: string;
    /** `HOST:PORT`. The host may be a name. */
    readonly endpoint: string;
    /** The networks that the phone reaches through the host. */
    readonly allowedIps: readonly Prefix[];
  };
}

/** How often a phone behind a NAT must send a packet so that the host can reach the phone, in seconds. */
const KEEPALIVE_S = 25;

/** Writes the configuration of a phone in the format of WireGuard's apps and wg-quick. */
export function confOfPhone({ privateKey, addresses, dns, presharedKey, host }: Phone): string {
  return [
    "[Interface]",
    `PrivateKey = ${formatKey(privateKey)}`,
    `Address = ${addresses.map(formatPrefix).join(", ")}`,
    ...(dns.length === 0 ? [] : [`DNS = ${dns.join(", ")}`]),
    "",
    "[Peer]",
    `PublicKey = ${host.publicKey}`,
    `PresharedKey = ${formatKey(presharedKey)}`,
    `AllowedIPs = ${host.allowedIps.map(formatPrefix).join(", ")}`,
    `Endpoint = ${host.endpoint}`,
    `PersistentKeepalive = ${KEEPALIVE_S}`,
    "",
  ].join("\n");
}
