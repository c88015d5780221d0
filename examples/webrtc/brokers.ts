import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { Aedes } from "aedes";
import type { BrokerPool } from "sidewire";
import { createWebSocketStream, WebSocketServer } from "ws";

interface Running {
  readonly http: Server;
  readonly aedes: Aedes;
  readonly sockets: WebSocketServer;
}

/** MQTT over WebSocket in this process, on a port of its own; can be stopped, and started again there. */
export class EmbeddedBroker {
  readonly #mayConnect: (origin: string | undefined) => boolean;
  #port = 0;
  #running: Running | undefined;
  #turn: Promise<void> = Promise.resolve();

  /** @param mayConnect - says whether pages of an origin may use it; what is no page has none */
  constructor(mayConnect: (origin: string | undefined) => boolean) {
    this.#mayConnect = mayConnect;
  }

  get port(): number {
    return this.#port;
  }

  start(): Promise<void> {
    return this.#inTurn(() => this.#start());
  }

  /** Ends every connection at once; from then on new ones are refused. */
  stop(): Promise<void> {
    return this.#inTurn(() => this.#stop());
  }

  /** One after the other, however fast the buttons are pressed. */
  #inTurn(action: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(action);
    this.#turn = done.catch(() => {});
    return done;
  }

  async #start(): Promise<void> {
    if (this.#running !== undefined) return;
    const http = createServer({ noDelay: true });
    http.listen(this.#port);
    await once(http, "listening");
    // A TCP server's address is an AddressInfo while it is listening.
    this.#port = (http.address() as AddressInfo).port;
    const aedes = await Aedes.createBroker();
    const sockets = new WebSocketServer({
      server: http,
      // A browser lets every page in it connect to anything, and says only where the page is from.
      verifyClient: ({ req }, done) => done(this.#mayConnect(req.headers.origin), 403),
    });
    sockets.on("connection", (socket) => {
      const stream = createWebSocketStream(socket);
      stream.on("error", () => {});
      aedes.handle(stream);
    });
    this.#running = { http, aedes, sockets };
  }

  async #stop(): Promise<void> {
    if (this.#running === undefined) return;
    const { http, aedes, sockets } = this.#running;
    this.#running = undefined;
    const closed = once(http, "close");
    for (const socket of sockets.clients) socket.terminate();
    http.close();
    http.closeAllConnections();
    await Promise.all([closed, new Promise<void>((resolve) => aedes.close(() => resolve()))]);
  }
}

/**
 * The pool of several brokers on one machine. A pool knows brokers by their host, and these share one
 * address: it is spelled in as many ways, which every URL parser takes for the same.
 */
export function poolOf(address: string, brokers: readonly EmbeddedBroker[]): BrokerPool {
  const number = address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0);
  const spellings = [address, `0x${number.toString(16)}`, String(number)];
  const entries = brokers.map(({ port }, i) => [spellings[i] ?? "", { ws: port }] as const);
  return { IPv4: Object.fromEntries(entries.filter(([host]) => host !== "")) };
}
