import { BrokerError } from "../base/errors.js";
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
    let isOpen = false;
    webSocket.onopen = () => {
      isOpen = true;
      events.onOpen();
    };
    webSocket.onmessage = ({ data }) => {
      if (typeof data === "string") {
        this.destroy();
        events.onClose(new BrokerError("protocol", "broke the WebSocket protocol: text over the WebSocket"));
      } else if (data.byteLength > 0) events.onData(new Uint8Array(data));
    };
    // An error is followed by a close, and neither says why.
    webSocket.onclose = ({ code }) => events.onClose(isOpen ? ending(code) : new Error(unreachable()));
  }

  /** A page is not told of addresses. */
  readonly isStranded = false;

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

/** A page is not told more, so that it learns nothing of the network it is in. */
function unreachable(): string {
  return globalThis.navigator?.onLine === false
    ? "this browser is offline"
    : "could not be reached, or its certificate or HTTP answer was refused: a page is not told which";
}

/** @param code - RFC 6455, section 7.4.1 */
function ending(code: number): Error | undefined {
  if (code === 1000) return undefined;
  return new Error(code === 1006 ? "the connection broke" : `closed by the broker with code ${code}`);
}
