import { BrokerError } from "../base/errors.js";
import type { Connection, ConnectionEvents } from "./platform.js";
import { SUBPROTOCOL } from "./web-socket-url.js";

/**
 * A connection over a browser's WebSocket. A page can neither pause such a WebSocket nor switch off its compression.
 */
export class BrowserConnection implements Connection {
  readonly #webSocket: WebSocket;

  /** @throws {DOMException} when the page may not open this URL */
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
    // The browser reports a close after every error, and neither of them says why. So the error event is not needed.
    webSocket.onclose = ({ code }) => events.onClose(isOpen ? ending(code) : new Error(unreachable()));
  }

  /** Always false: a page cannot see the machine's addresses. */
  readonly isStranded = false;

  get unsentBytes(): number {
    return this.#webSocket.bufferedAmount;
  }

  write(bytes: Uint8Array): void {
    // `send` does not take an array in shared memory. Nothing here makes such arrays, so the cast is safe.
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

/** The browser gives a page no details, so that the page learns nothing about the network. */
function unreachable(): string {
  return globalThis.navigator?.onLine === false
    ? "this browser is offline"
    : "could not be reached, or its certificate or HTTP answer was refused: a page is not told which";
}

/** @param code - the close code (RFC 6455, section 7.4.1) */
function ending(code: number): Error | undefined {
  if (code === 1000) return undefined;
  return new Error(code === 1006 ? "the connection broke" : `closed by the broker with code ${code}`);
}
