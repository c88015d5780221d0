import type { Socket } from "node:net";
import { Duplex } from "node:stream";

/**
 * A socket that can be made to hang, as it does when the program at its end is stopped: it stays
 * connected, and nothing is read from it or written to it until it is opened again.
 */
export class Valve extends Duplex {
  readonly #socket: Socket;
  #shut: boolean;
  /** What is to be done first when it opens: at most one write, for the next waits for its end. */
  #held: (() => void) | undefined;

  constructor(socket: Socket, shut: boolean) {
    super();
    this.#socket = socket;
    this.#shut = shut;
    if (shut) socket.pause();
    socket.on("data", (chunk) => {
      if (!this.push(chunk)) socket.pause();
    });
    socket.on("end", () => this.push(null));
    // A connection that breaks is the other side's business; here it is simply over.
    socket.on("error", () => this.destroy());
    socket.on("close", () => this.destroy());
  }

  shut(): void {
    this.#shut = true;
    this.#socket.pause();
  }

  open(): void {
    this.#shut = false;
    this.#held?.();
    this.#held = undefined;
    this.#socket.resume();
  }

  override _read(): void {
    if (!this.#shut) this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const write = (): void => {
      this.#socket.write(chunk, () => done());
    };
    if (this.#shut) this.#held = write;
    else write();
  }

  override _final(done: () => void): void {
    this.#socket.end();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }
}
