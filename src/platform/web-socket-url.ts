import type { SocketTarget } from "./platform.js";

/** The name of MQTT among the protocols over WebSocket (MQTT 3.1.1, section 6). */
export const SUBPROTOCOL = "mqtt";

/**
 * Where a WebSocket is opened.
 * @throws for what is no host or path; a path with odd characters gets them escaped
 */
export function webSocketUrl({ transport, host, port, path }: SocketTarget): URL {
  return new URL(`${transport}://${host.includes(":") ? `[${host}]` : host}:${port}${path}`);
}
