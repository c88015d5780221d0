import { constants } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { connect, type SecureContext } from "node:tls";
import { onAbort, throwIfAborted } from "../base/abort.js";
import { BrokerError } from "../base/errors.js";
import { addressesOf, dial } from "./dial.js";
import { tlsFailure } from "./failure-words.js";
import type { SocketTarget, Stage } from "./platform.js";
import { TRANSPORTS } from "./transports.js";

/** Forbids the server to repeat the handshake, which would cost some milliseconds of the event loop each time. */
export const SECURE_OPTIONS: number = constants.SSL_OP_NO_RENEGOTIATION;

/**
 * Opens a socket, over TLS if the transport needs it. The returned socket is ready for writing, and has a listener for
 * errors. The caller must check whether the socket was destroyed meanwhile.
 * @param onStage - called with what the socket waits for
 * @throws {@link BrokerError} `dns`, `unreachable`, `tls`; AbortError
 */
export async function openSocket(
  target: SocketTarget,
  signal: AbortSignal,
  onStage: (stage: Stage) => void = () => {},
): Promise<Socket> {
  if (isIP(target.host) === 0) onStage("lookup");
  const addresses = await addressesOf(target, signal);
  onStage("connect");
  const socket = await dial(addresses, target, signal);
  if (!TRANSPORTS[target.transport].isSecure) return socket;
  onStage("handshake");
  return await secure(socket, target, signal);
}

function secure(raw: Socket, target: SocketTarget, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) raw.destroy();
    throwIfAborted(signal);
    const socket = connect({ socket: raw, ...tlsOptions(target) });
    const fail = (error: Error): void => {
      stopListening();
      socket.destroy();
      reject(error);
    };
    const stopListening = onAbort(signal, fail);
    // The listener stays until the end, because an error without a listener ends the process.
    socket.on("error", (cause) => fail(tlsFailure(cause)));
    socket.once("secureConnect", () => {
      stopListening();
      resolve(socket);
    });
    // A socket may also close without an error.
    socket.once("close", () => fail(new BrokerError("tls", "it hung up during the TLS handshake")));
  });
}

function tlsOptions({ host, ca }: SocketTarget): {
  host: string;
  servername?: string;
  secureContext?: SecureContext;
  secureOptions?: number;
} {
  return {
    // The name that the certificate must be valid for.
    host,
    // SNI accepts only names (RFC 6066). Certificates for IP addresses are checked nevertheless.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? { secureOptions: SECURE_OPTIONS } : { secureContext: ca }),
  };
}
