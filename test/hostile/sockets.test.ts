import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import { BrokerError } from "../../src/base/errors.js";
import { openLink } from "../../src/brokers/broker-link.js";
import { LineSpeed } from "../../src/brokers/line-speed.js";
import { ReadScheduler } from "../../src/brokers/read-scheduler.js";
import { randomOf } from "../faults/random.js";
import { makeSubscriber } from "../support/links.js";
import { MAX_PAYLOAD, StreamMaker, TOPIC } from "./streams.js";

const STREAMS = 1500;
const SEED = Number(process.env.STREAMS_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** Who says a stream's pieces, and then hangs up in some way. */
type Say = (write: (piece: Buffer) => void, socket: Socket) => void;

function startTcp(say: Say): Server {
  return createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    say((piece) => socket.write(piece), socket);
  });
}

/** Each piece is a message, or what follows the handshake is no WebSocket at all. */
function startWebSocket(maker: StreamMaker, say: Say): Server {
  const webSockets = new WebSocketServer({ noServer: true });
  const server = createServer();
  const http = createHttpServer();
  server.on("connection", (socket) => {
    socket.on("error", () => {});
    http.emit("connection", socket);
  });
  http.on("upgrade", (request, socket: Socket, head) => {
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      webSocket.on("error", () => {});
      const isFramed = maker.below(4) > 0;
      say((piece) => (isFramed ? webSocket.send(piece) : socket.write(piece)), socket);
    });
  });
  return server;
}

describe.each(["mqtt", "ws"] as const)(`${STREAMS} streams over %s (seed ${SEED})`, (transport) => {
  it("end sessions or leave them open, and nothing throws", { timeout: 120_000 }, async () => {
    const maker = new StreamMaker(randomOf(SEED));
    const say: Say = (write, socket) => {
      for (const piece of maker.make().pieces) write(piece);
      const how = maker.below(4);
      if (how === 0) socket.end();
      if (how === 1) socket.resetAndDestroy();
    };
    const server = transport === "mqtt" ? startTcp(say) : startWebSocket(maker, say);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const sockets = new Set<Socket>();
    server.on("connection", (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    // A TCP server's address is an AddressInfo once it is listening.
    const { port } = server.address() as AddressInfo;
    const reasons: Record<string, number> = {};
    const scheduler = new ReadScheduler();
    const listener = makeSubscriber({
      topic: TOPIC,
      maxPayloadBytes: MAX_PAYLOAD,
      onMessage: ({ length }) => expect(length).toBeLessThanOrEqual(MAX_PAYLOAD),
    });
    const tryOne = async (): Promise<void> => {
      const over = await new Promise<BrokerError | undefined>((resolve) => {
        const target = {
          transport,
          family: "IPv4",
          host: "127.0.0.1",
          port,
          path: "/",
          localAddress: undefined,
          publicOnly: false,
          ca: undefined,
        } as const;
        openLink(
          {
            broker: { host: "127.0.0.1", family: "IPv4", weight: 1 },
            target,
            isPipelined: true,
            connectTimeoutMs: 100,
            scheduler,
            speed: new LineSpeed(),
            subscribers: () => [listener],
            onClose: resolve,
          },
          new AbortController().signal,
        ).then((link) => {
          // In the middle of what it says, or after.
          setTimeout(
            () => void link.close(maker.below(2) === 0).then(() => resolve(undefined)),
            maker.below(5),
          );
        }, resolve);
      });
      expect(over === undefined || over instanceof BrokerError).toBe(true);
      const reason = over?.reason ?? "left";
      reasons[reason] = (reasons[reason] ?? 0) + 1;
    };
    let left = STREAMS;
    await Promise.all(
      Array.from({ length: 30 }, async () => {
        while (left-- > 0) await tryOne();
      }),
    );
    console.log(reasons);
    expect(Object.values(reasons).reduce((sum, count) => sum + count, 0)).toBe(STREAMS);
    for (const reason of ["protocol", "not-mqtt", "left"]) expect(reasons[reason], reason).toBeGreaterThan(0);
  });
});
