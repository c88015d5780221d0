import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { Aedes } from "aedes";
import { createWebSocketStream, WebSocketServer } from "ws";

/** A broker in this process, over TCP and WebSocket. */
export interface EmbeddedBroker {
  readonly port: number;
  readonly wsPort: number;
  /** Closes the broker and all its connections. */
  close(): Promise<void>;
}

/**
 * The maximum number of connections, more than a LAN or a test needs, and the maximum length of a WebSocket message.
 */
const MAX_CONNECTIONS = 1024;
const MAX_WS_BYTES: number = 1 << 20;

/**
 * Starts a broker; port 0 means a free port. The broker stores nothing for clients that are not connected: no retained
 * messages, no wills, no sessions.
 *
 * @param origins - the origins of pages that may use the broker, besides those of this machine and of `host`
 */
export async function startEmbeddedBroker(
  host: string,
  port: number,
  wsPort: number,
  origins: readonly string[] = [],
): Promise<EmbeddedBroker> {
  const aedes = await Aedes.createBroker({
    preConnect: (_, packet, done) => {
      packet.clean = true;
      delete packet.will;
      done(null, true);
    },
    authorizePublish: (_, packet, done) => {
      packet.retain = false;
      done(null);
    },
  });
  // Without Nagle's algorithm, which would delay small packets by up to 40 ms.
  const tcp = createServer({ noDelay: true }, (socket) => aedes.handle(socket));
  const http = createHttpServer({ noDelay: true }, (_, response) => response.writeHead(426).end());
  const webSockets = new WebSocketServer({
    server: http,
    maxPayload: MAX_WS_BYTES,
    // Any page that is open in a browser on this machine can connect here. The browser sends the page's origin.
    verifyClient: ({ origin }: { origin?: string }) => mayConnect(origin, host, origins),
  });
  webSockets.on("connection", (webSocket) => {
    const stream = createWebSocketStream(webSocket);
    stream.on("error", () => {});
    aedes.handle(stream);
  });
  // `listen` reports the same error.
  webSockets.on("error", () => {});

  const sockets = new Set<Socket>();
  for (const server of [tcp, http]) {
    server.maxConnections = MAX_CONNECTIONS;
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

/** Whether a page of this origin may use a broker at `host`. Clients other than pages send no origin. */
export function mayConnect(origin: string | undefined, host: string, origins: readonly string[]): boolean {
  if (origin === undefined || origins.includes(origin)) return true;
  if (!URL.canParse(origin)) return false;
  const name = new URL(origin).hostname.replace(/^\[(.*)\]$/, "$1");
  return name === host || name === "::1" || /^(127(\.\d+){3}|([^.]+\.)*localhost)$/.test(name);
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  server.listen(port, host);
  await once(server, "listening");
  // The address of a listening TCP server is an AddressInfo, so the cast is safe.
  return (server.address() as AddressInfo).port;
}
