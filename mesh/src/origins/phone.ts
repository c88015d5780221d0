import { formatPrefix, type Prefix } from "../ip/prefix.js";
import { formatKey } from "../wireguard-key.js";

/** A device that runs WireGuard alone, such as a phone, and the host that it connects to. */
export interface Phone {
  /** 32 bytes. */
  readonly privateKey: Uint8Array;
  /** Its addresses in the tunnel. */
  readonly addresses: readonly Prefix[];
  /** DNS servers, as addresses. */
  readonly dns: readonly string[];
  /** 32 bytes. It is known to the phone and the host only. */
  readonly presharedKey: Uint8Array;
  readonly host: {
    /** base64. */
    readonly publicKey: string;
    /** `HOST:PORT`. The host may be a name. */
    readonly endpoint: string;
    /** The networks that the phone reaches through the host. */
    readonly allowedIps: readonly Prefix[];
  };
}

/** A phone behind a NAT has to send something this often, so that the host can reach it; in seconds. */
const KEEPALIVE_S = 25;

/** Writes the configuration of a phone, as the apps of WireGuard and wg-quick read it. */
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
