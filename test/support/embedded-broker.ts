import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { Aedes } from "aedes";

/** An aedes broker in this process. */
export interface EmbeddedBroker {
  readonly host: string;
  readonly port: number;
  /** The broker itself, for its hooks and events. */
  readonly aedes: Aedes;
  /** Ends it and every connection to it. */
  close(): Promise<void>;
}

/** Starts aedes on a loopback address, on a free port or the given one. */
export async function startEmbeddedBroker(
  host = "127.0.0.1",
  port = 0,
): Promise<EmbeddedBroker & AsyncDisposable> {
  const aedes = await Aedes.createBroker();
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    aedes.handle(socket);
  });
  server.listen(port, host);
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
  // A TCP server's address is an AddressInfo once it is listening.
  return { host, port: (server.address() as AddressInfo).port, aedes, close, [Symbol.asyncDispose]: close };
}
