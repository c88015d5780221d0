import type { Socket } from "node:net";
import { wordsFor } from "./failure-words.js";
import { isGone, isListed } from "./own-addresses.js";
import type { Connection, ConnectionEvents, Stage } from "./platform.js";

/**
 * How long written bytes wait for more bytes, at most, in ms. The receiver is idle meanwhile. Often many signatures are
 * made or checked in a row, and each one leads to a small write.
 */
const TOGETHER_MS = 1;

/** From this number of waiting bytes on, one system call for them is worth the cost. Waiting bytes count as unsent. */
const TOGETHER_BYTES = 8192;

/** A connection over a socket that is still being opened. */
export class SocketConnection implements Connection {
  readonly #opening = new AbortController();
  readonly #events: ConnectionEvents;
  #socket: Socket | undefined;
  #isOver = false;
  /** The local address, if the system lists it. An address that was never listed cannot disappear from the list. */
  #listedAddress: string | undefined;
  /** The time of the first write among the waiting bytes. */
  #firstAt = 0;

  /** @param open - resolves with a socket that is ready for writing and has a listener for errors */
  constructor(
    open: (signal: AbortSignal, onStage: (stage: Stage) => void) => Promise<Socket>,
    events: ConnectionEvents,
  ) {
    this.#events = events;
    open(this.#opening.signal, (stage) => events.onStage(stage)).then(
      (socket) => this.#opened(socket),
      (error) => this.#close(error),
    );
  }

  get unsentBytes(): number {
    return this.#socket?.writableLength ?? 0;
  }

  get isStranded(): boolean {
    return this.#listedAddress !== undefined && isGone(this.#listedAddress);
  }

  /**
   * Writes of one turn of the event loop leave together, by one system call: they wait until the turn ends, but not
   * long.
   */
  write(bytes: Uint8Array): void {
    const socket = this.#socket;
    if (!socket?.writable) return;
    const now = performance.now();
    if (socket.writableCorked === 0) {
      this.#firstAt = now;
      socket.cork();
      process.nextTick(() => socket.uncork());
    }
    socket.write(bytes);
    if (now - this.#firstAt >= TOGETHER_MS || socket.writableLength >= TOGETHER_BYTES) socket.uncork();
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  end(): void {
    if (this.#socket === undefined) this.#opening.abort();
    else this.#socket.end();
  }

  destroy(): void {
    this.#isOver = true;
    this.#opening.abort();
    // The waiting bytes are passed to the system, which still sends them.
    this.#socket?.uncork();
    this.#socket?.destroy();
  }

  #opened(socket: Socket): void {
    if (this.#isOver) {
      socket.destroy();
      return;
    }
    if (socket.destroyed) {
      this.#close(undefined);
      return;
    }
    this.#socket = socket;
    let error: Error | undefined;
    socket.on("error", (cause) => {
      error ??= wordsFor(cause);
    });
    // A half-open connection counts as ended: a broker that sends nothing more would not answer a ping either.
    socket.on("end", () => socket.destroy());
    socket.once("close", () => this.#close(error));
    this.#events.onOpen();
    const { localAddress } = socket;
    if (localAddress !== undefined && isListed(localAddress)) this.#listedAddress = localAddress;
    socket.on("data", (bytes) => {
      if (!this.#isOver) this.#events.onData(bytes);
    });
  }

  #close(error: Error | undefined): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#events.onClose(error);
  }
}
