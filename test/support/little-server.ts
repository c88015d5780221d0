import { once } from "node:events";
import { readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import { use } from "./peers.js";

/** A server that does what a test wants of it, and is gone at its end. */
export interface LittleServer {
  readonly port: number;
  /** Connections so far. */
  readonly connections: number;
  /** What was read from them, one byte a character. */
  readonly said: string;
}

/** Certificates and keys of the tests. */
export function pem(name: string): string {
  return readFileSync(new URL(`./tls/${name}`, import.meta.url), "utf8");
}

/**
 * Listens at 127.0.0.1, on a free port.
 * @param answer - called with each connection; over TLS once the handshake is done
 * @param tls - over TLS, with these options
 */
export async function startLittleServer(
  answer: (socket: Socket) => void = () => {},
  tls?: TlsOptions,
): Promise<LittleServer> {
  const seen = { port: 0, connections: 0, said: "" };
  const sockets = new Set<Socket>();
  const take = (socket: Socket): void => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      seen.said += bytes.toString("latin1");
    });
    answer(socket);
  };
  const server = tls === undefined ? createServer(take) : createTlsServer(tls, take);
  server.on("tlsClientError", () => {});
  server.prependListener("connection", (socket: Socket) => {
    seen.connections++;
    socket.on("error", () => {});
    sockets.add(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  use({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  // A TCP server's address is an AddressInfo once it is listening.
  seen.port = (server.address() as AddressInfo).port;
  return seen;
}
