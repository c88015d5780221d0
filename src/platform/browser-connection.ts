import type { Connection, ConnectionEvents } from "./platform.js";
import { SUBPROTOCOL } from "./web-socket-url.js";

/** A connection over a browser's WebSocket, which can be neither paused nor kept from compression. */
export class BrowserConnection implements Connection {
  readonly #webSocket: WebSocket;

  /** @throws {DOMException} where the page may not open it */
  constructor(url: URL, events: ConnectionEvents) {
    const webSocket = new WebSocket(url, SUBPROTOCOL);
    this.#webSocket = webSocket;
    webSocket.binaryType = "arraybuffer";
    webSocket.onopen = () => events.onOpen();
    webSocket.onmessage = ({ data }) => {
      if (typeof data === "string") {
        this.destroy();
        events.onClose(new Error("text over the WebSocket"));
      } else if (data.byteLength > 0) events.onData(new Uint8Array(data));
    };
    // An error is followed by a close, and neither says why.
    webSocket.onclose = ({ wasClean }) =>
      events.onClose(wasClean ? undefined : new Error("the WebSocket failed"));
  }

  get unsentBytes(): number {
    return this.#webSocket.bufferedAmount;
  }

  write(bytes: Uint8Array): void {
    // What is shared between threads is not sent; nobody here makes such arrays.
    if (this.#webSocket.readyState === WebSocket.OPEN) this.#webSocket.send(bytes as Uint8Array<ArrayBuffer>);
  }

  pause(): void {}

  resume(): void {}

  end(): void {
    this.#webSocket.close();
  }

  destroy(): void {
    const webSocket = this.#webSocket;
    webSocket.onopen = webSocket.onmessage = webSocket.onclose = null;
    webSocket.close();
  }
}
