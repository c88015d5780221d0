import type { Socket } from "node:net";
import { wordsFor } from "./failure-words.js";
import { isGone, isListed } from "./own-addresses.js";
import type { Connection, ConnectionEvents, Stage } from "./platform.js";

/**
 * How long what is written waits for more at most, ms: whoever is to read it is idle meanwhile. Many signatures are
 * made or checked at a stretch, with something to be written after each.
 */
const TOGETHER_MS = 1;

/** So many bytes are worth a call of their own; what waits counts as unsent. */
const TOGETHER_BYTES = 8192;

/** A connection over a socket that is being opened. */
export class SocketConnection implements Connection {
  readonly #opening = new AbortController();
  readonly #events: ConnectionEvents;
  #socket: Socket | undefined;
  #isOver = false;
  /** The address that it leaves by. Undefined unless the system lists it: what never was there does not go. */
  #listedAddress: string | undefined;
  /** When the first was written of what has not left. */
  #firstAt = 0;

  /** @param open - resolves with a socket that may be written to, and has a listener for errors */
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

  /** What is written before everything else has its turn leaves together, and soon: one call of the system for all. */
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
    // What was written is the system's to send.
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
    // Half open is over: who sends no more would not answer a ping either.
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
