/** How to connect to a broker: MQTT over TCP, over TLS, over WebSocket, or over WebSocket with TLS. */
export type Transport = "mqtt" | "mqtts" | "ws" | "wss";

/** The properties of a transport. */
export interface TransportTraits {
  /** The field of a pool's entry that contains the port. */
  readonly portField: "port" | "tls" | "ws" | "wss";
  /** Whether the transport is encrypted and checks the broker's certificate. */
  readonly isSecure: boolean;
  /** Whether the transport is MQTT over WebSocket. */
  readonly isWebSocket: boolean;
}

/** Every transport, with all its properties. */
export const TRANSPORTS: Readonly<Record<Transport, TransportTraits>> = {
  mqtt: { portField: "port", isSecure: false, isWebSocket: false },
  mqtts: { portField: "tls", isSecure: true, isWebSocket: false },
  wss: { portField: "wss", isSecure: true, isWebSocket: true },
  ws: { portField: "ws", isSecure: false, isWebSocket: true },
};
