/** How a broker is spoken to: MQTT over TCP, over TLS, over WebSocket, over WebSocket with TLS. */
export type Transport = "mqtt" | "mqtts" | "ws" | "wss";

/** What a transport is made of. */
export interface TransportTraits {
  /** The field of a pool's entry that has its port. */
  readonly portField: "port" | "tls" | "ws" | "wss";
  /** Whether it is encrypted and the broker's certificate checked. */
  readonly isSecure: boolean;
  /** Whether it is MQTT over WebSocket. */
  readonly isWebSocket: boolean;
}

/** Every transport, and all that tells one from another. */
export const TRANSPORTS: Readonly<Record<Transport, TransportTraits>> = {
  mqtt: { portField: "port", isSecure: false, isWebSocket: false },
  mqtts: { portField: "tls", isSecure: true, isWebSocket: false },
  wss: { portField: "wss", isSecure: true, isWebSocket: true },
  ws: { portField: "ws", isSecure: false, isWebSocket: true },
};
