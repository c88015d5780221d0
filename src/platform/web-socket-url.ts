import type { SocketTarget } from "./platform.js";

/** The name of MQTT as a WebSocket subprotocol (MQTT 3.1.1, section 6). */
export const SUBPROTOCOL = "mqtt";

/**
 * The URL of a WebSocket. Unusual characters in the path are escaped.
 * @throws when the host or the path cannot be part of a URL
 */
export function webSocketUrl({ transport, host, port, path }: SocketTarget): URL {
  return new URL(`${transport}://${host.includes(":") ? `[${host}]` : host}:${port}${path}`);
}
