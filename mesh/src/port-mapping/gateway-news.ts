import { createSocket, type Socket } from "node:dgram";
import type { AddressBytes } from "../ip/address.js";
import { type Gateway, hostOf } from "./gateway.js";
import { decodeNatPmp } from "./nat-pmp.js";
import { decodePcp, GATEWAY_PORT } from "./pcp.js";

/**
 * The port where a gateway tells all hosts of a link that it has restarted, or has another address (RFC 6887, section
 * 14.1).
 */
const NEWS_PORT = 5350;
const ALL_HOSTS = { 4: "224.0.0.1", 6: "ff02::1" } as const;

/** A message of a gateway to all hosts. */
export interface GatewayNews {
  /** How long the gateway has had its mappings, in seconds. */
  readonly epochS: number;
  /** The gateway's outside address. Only NAT-PMP contains it. */
  readonly address: AddressBytes | undefined;
}

/** Another place, for tests. */
export interface NewsPlace {
  readonly host: string;
  readonly port: number;
  /** The source port of the gateway. */
  readonly from: number;
}

/** @returns undefined for bytes that are not news of PCP or NAT-PMP */
export function decodeNews(bytes: Uint8Array): GatewayNews | undefined {
  const pcp = decodePcp(bytes);
  if (pcp?.is === "announce" && pcp.result === 0) return { epochS: pcp.epochS, address: undefined };
  const natPmp = decodeNatPmp(bytes);
  if (natPmp?.is !== "address" || natPmp.result !== 0) return undefined;
  return { epochS: natPmp.epochS, address: natPmp.address };
}

/**
 * Listens to the gateway's messages to all hosts, from its address and port only.
 * @returns a function that stops listening. If the port cannot be shared with other programs, nothing is heard
 */
export function hearNews(
  gateway: Gateway,
  onNews: (news: GatewayNews) => void,
  place: NewsPlace = { host: groupOf(gateway), port: NEWS_PORT, from: GATEWAY_PORT },
): () => void {
  const socket: Socket = createSocket({
    type: gateway.family === 4 ? "udp4" : "udp6",
    reuseAddr: true,
    lookup: (host, _options, callback) => callback(null, host, gateway.family),
  });
  let isOpen = true;
  const close = (): void => {
    if (!isOpen) return;
    isOpen = false;
    socket.close();
  };
  socket.on("error", close);
  const from = hostOf(gateway);
  socket.on("message", (bytes, { address, port }) => {
    if (address !== from || port !== place.from) return;
    const news = decodeNews(bytes);
    if (news !== undefined) onNews(news);
  });
  // Every host is in this group. A socket bound to the group does not get packets that are sent to the host itself.
  socket.bind({ address: place.host, port: place.port, exclusive: true });
  socket.unref();
  return close;
}

function groupOf({ family, device }: Gateway): string {
  return family === 4 ? ALL_HOSTS[4] : `${ALL_HOSTS[6]}%${device}`;
}
