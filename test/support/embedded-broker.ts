import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { Aedes } from "aedes";
import { createWebSocketStream, WebSocketServer } from "ws";
import { freePort } from "./free-port.js";

/** An aedes broker in this process. */
export interface EmbeddedBroker {
  readonly host: string;
  readonly port: number;
  /** The broker itself, for its hooks and events. */
  readonly aedes: Aedes;
  /** How many connections were accepted so far. */
  readonly connections: number;
  /** Ends it and every connection to it. */
  close(): Promise<void>;
}

export interface EmbeddedBrokerOptions {
  /** Which clients get through, by their local address; the others' connections are reset. */
  readonly allow?: (address: string) => boolean;
  /** What is spoken on the port. Default: plain MQTT. */
  readonly transport?: "mqtt" | "mqtts" | "ws" | "wss";
  /** Certificate and key in PEM, for `mqtts` and `wss`. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** Starts aedes on a loopback address, on a free port or the given one. */
export async function startEmbeddedBroker(
  host = "127.0.0.1",
  port = 0,
  { allow = () => true, transport = "mqtt", tls }: EmbeddedBrokerOptions = {},
): Promise<EmbeddedBroker & AsyncDisposable> {
  const aedes = await Aedes.createBroker();
  const sockets = new Set<Socket>();
  const webSockets = new WebSocketServer({ noServer: true });
  let connections = 0;

  const accept = (socket: Socket): void => {
    if (socket.destroyed) return;
    socket.setNoDelay(true);
    if (transport === "mqtt" || transport === "mqtts") aedes.handle(socket);
    else http.emit("connection", socket);
  };
  const http = createHttpServer();
  http.on("upgrade", (request, socket, head) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const stream = createWebSocketStream(webSocket);
      stream.on("error", () => {});
      aedes.handle(stream);
    });
  });
  const secure = transport === "mqtts" || transport === "wss";
  const server: Server = secure ? createTlsServer({ ...tls }, accept) : createServer(accept);
  // Registered before TLS or MQTT see the connection.
  server.prependListener("connection", (socket: Socket) => {
    connections++;
    socket.on("error", () => {});
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    if (!allow(socket.remoteAddress ?? "")) socket.resetAndDestroy();
  });
  server.on("tlsClientError", () => {});
  server.listen(port === 0 ? await freePort(host) : port, host);
  await once(server, "listening");

  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= (async () => {
      server.close();
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
    })();
    return closing;
  };
  return {
    host,
    // A TCP server's address is an AddressInfo once it is listening.
    port: (server.address() as AddressInfo).port,
    aedes,
    get connections() {
      return connections;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
