import { constants } from "node:crypto";
import { isIP, type Socket } from "node:net";
import { connect, type SecureContext } from "node:tls";
import { onAbort, throwIfAborted } from "../base/abort.js";
import { BrokerError } from "../base/errors.js";
import { addressesOf, dial } from "./dial.js";
import { tlsFailure } from "./failure-words.js";
import type { SocketTarget, Stage } from "./platform.js";
import { TRANSPORTS } from "./transports.js";

/** A server may not have the handshake repeated, which costs some milliseconds of the event loop each time. */
export const SECURE_OPTIONS: number = constants.SSL_OP_NO_RENEGOTIATION;

/**
 * A socket that may be written to, over TLS where the transport asks for it. It has a listener for errors; whether it
 * was destroyed meanwhile is the caller's to look.
 * @param onStage - told what is waited for
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
    // Stays until the end: an error that nobody listens for ends the process.
    socket.on("error", (cause) => fail(tlsFailure(cause)));
    socket.once("secureConnect", () => {
      stopListening();
      resolve(socket);
    });
    // Not every way to end comes with an error.
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
    // What the certificate has to be for.
    host,
    // SNI takes names only (RFC 6066); certificates for addresses are checked all the same.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? { secureOptions: SECURE_OPTIONS } : { secureContext: ca }),
  };
}
