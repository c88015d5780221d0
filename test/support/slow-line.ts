import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A broker behind the slow line. */
export interface FarBroker extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
}

/** How much a line carries at a time, bytes: an Ethernet frame. */
const FRAME_BYTES = 1500;

/**
 * The one line of a machine to its brokers, with a queue before it as modems have: so many bytes a second in each
 * direction, whichever connection they belong to, first come first served.
 */
export class SlowLine {
  readonly #up: Direction;
  readonly #down: Direction;

  constructor(bytesPerSecond: number) {
    this.#up = new Direction(bytesPerSecond);
    this.#down = new Direction(bytesPerSecond);
  }

  /** Bytes that left the machine, acknowledgements of TCP not counted. */
  get sentBytes(): number {
    return this.#up.bytes;
  }

  get receivedBytes(): number {
    return this.#down.bytes;
  }

  /** A broker as it is seen over the line. */
  async to(broker: { readonly host: string; readonly port: number }): Promise<FarBroker> {
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(broker.port, broker.host);
      for (const [from, into, direction] of [
        [near, far, this.#up],
        [far, near, this.#down],
      ] as const) {
        sockets.add(from);
        from.setNoDelay(true);
        from.on("error", () => {});
        from.on("data", (bytes) => direction.carry(bytes, (part) => into.write(part)));
        from.once("close", () => {
          sockets.delete(from);
          direction.carry(Buffer.alloc(0), () => into.end());
        });
      }
    });
    server.listen(0, broker.host);
    await once(server, "listening");
    return {
      host: broker.host,
      // A TCP server's address is an AddressInfo once it is listening.
      port: (server.address() as AddressInfo).port,
      async [Symbol.asyncDispose]() {
        const closed = once(server, "close");
        server.close();
        for (const socket of sockets) socket.destroy();
        await closed;
      },
    };
  }
}

class Direction {
  readonly #bytesPerSecond: number;
  /** When it is free again. */
  #freeAt = 0;
  bytes = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerSecond = bytesPerSecond;
  }

  carry(bytes: Buffer, arrive: (part: Buffer) => void): void {
    this.bytes += bytes.length;
    for (let at = 0; at === 0 || at < bytes.length; at += FRAME_BYTES) {
      const part = bytes.subarray(at, at + FRAME_BYTES);
      const now = performance.now();
      this.#freeAt = Math.max(now, this.#freeAt) + (part.length / this.#bytesPerSecond) * 1000;
      setTimeout(() => arrive(part), this.#freeAt - now);
    }
  }
}
