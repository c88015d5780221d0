import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Aedes } from "aedes";
import { createWebSocketStream, WebSocketServer } from "ws";

/** A broker in this process, over TCP and WebSocket. */
export interface EmbeddedBroker {
  readonly port: number;
  readonly wsPort: number;
  /** Ends it and every connection to it. */
  close(): Promise<void>;
}

/** Starts a broker; port 0 is a free one. */
export async function startEmbeddedBroker(
  host: string,
  port: number,
  wsPort: number,
): Promise<EmbeddedBroker> {
  const aedes = await Aedes.createBroker();
  // Without Nagle's algorithm, which would hold small packets back for up to 40 ms.
  const tcp = createServer({ noDelay: true }, (socket) => aedes.handle(socket));
  const http = createHttpServer({ noDelay: true }, (_, response) => response.writeHead(426).end());
  const webSockets = new WebSocketServer({ server: http });
  webSockets.on("connection", (webSocket) => {
    const stream = createWebSocketStream(webSocket);
    stream.on("error", () => {});
    aedes.handle(stream);
  });
  // Told by `listen` as well.
  webSockets.on("error", () => {});

  const sockets = new Set<Socket>();
  for (const server of [tcp, http]) {
    server.on("connection", (socket: Socket) => {
      socket.on("error", () => {});
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
  }
  const close = async (): Promise<void> => {
    for (const server of [tcp, http]) server.close();
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => aedes.close(() => resolve()));
  };
  try {
    return { port: await listen(tcp, host, port), wsPort: await listen(http, host, wsPort), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host);
  await once(server, "listening");
  // A TCP server's address is an AddressInfo once it is listening.
  return (server.address() as AddressInfo).port;
}
