import { createSocket, type Socket } from "node:dgram";
import { isIPv6 } from "node:net";
import { type Gateway, hostOf } from "./gateway.js";
import { RouterAddresses } from "./router-addresses.js";

/**
 * When a question is repeated, in ms after the first time, and when it counts as unanswered: three times, as in RFC
 * 6886.
 */
const SENT_AT_MS = [0, 250, 750] as const;
const UNANSWERED_MS = 1750;

interface Question {
  readonly isFrom: (port: number) => boolean;
  readonly read: (bytes: Uint8Array) => boolean;
}

/** A UDP socket on the own address that only hears the gateway, over IPv6 by each address of the gateway. */
export class GatewaySocket implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #questions = new Set<Question>();
  #isClosed = false;

  private constructor(socket: Socket, gateway: Gateway) {
    this.#socket = socket;
    const from = hostOf(gateway);
    const others = new RouterAddresses(gateway, {
      // Port 9 throws away what it gets (RFC 863).
      touch: (address) => this.#send(new Uint8Array(1), { host: address, port: 9 }),
    });
    socket.on("error", () => {});
    socket.on("message", (bytes, { address, port }) => {
      if (address === from) this.#receive(bytes, port);
      else if (gateway.family === 6 && this.#questions.size > 0)
        void others.has(address, performance.now()).then((isHeard) => {
          if (isHeard) this.#receive(bytes, port);
        });
    });
  }

  #receive(bytes: Uint8Array, port: number): void {
    for (const question of this.#questions)
      if (question.isFrom(port) && question.read(bytes)) this.#questions.delete(question);
  }

  #send(bytes: Uint8Array, { host, port }: { readonly host: string; readonly port: number }): void {
    if (!this.#isClosed) this.#socket.send(bytes, port, host, () => {});
  }

  /** @throws the system's error when the own address cannot be used */
  static async open(gateway: Gateway): Promise<GatewaySocket> {
    const socket = createSocket({
      type: isIPv6(gateway.own) ? "udp6" : "udp4",
      // All destinations are IP addresses, so no look-up is needed.
      lookup: (host, _options, callback) => callback(null, host, gateway.family),
    });
    await new Promise<void>((resolve, reject) => {
      socket.once("error", (error) => {
        socket.close();
        reject(error);
      });
      socket.bind({ address: gateway.own, port: 0, exclusive: true }, resolve);
    });
    socket.removeAllListeners("error");
    if (gateway.family === 4) socket.setMulticastInterface(gateway.own);
    return new GatewaySocket(socket, gateway);
  }

  /**
   * Asks until there is an answer.
   * @param from - the source port of answers; undefined for any
   * @param read - reads an answer; returns undefined for bytes that do not answer this question
   * @throws an error when there is no answer within 1.75 s
   */
  async ask<T>(
    bytes: Uint8Array,
    to: { readonly host: string; readonly port: number },
    from: number | undefined,
    read: (bytes: Uint8Array) => T | undefined,
    signal: AbortSignal,
  ): Promise<T> {
    signal.throwIfAborted();
    if (this.#isClosed) throw new Error("closed");
    return await new Promise<T>((resolve, reject) => {
      const timers = SENT_AT_MS.map((ms) => setTimeout(() => this.#send(bytes, to), ms));
      const question: Question = {
        isFrom: (port) => from === undefined || from === port,
        read: (answer) => {
          const value = read(answer);
          if (value !== undefined) finish(() => resolve(value));
          return value !== undefined;
        },
      };
      const finish = (act: () => void): void => {
        this.#questions.delete(question);
        for (const timer of timers) clearTimeout(timer);
        signal.removeEventListener("abort", aborted);
        act();
      };
      const aborted = (): void => finish(() => reject(signal.reason));
      timers.push(
        setTimeout(() => finish(() => reject(new Error("the gateway does not answer"))), UNANSWERED_MS),
      );
      signal.addEventListener("abort", aborted, { once: true });
      this.#questions.add(question);
    });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await new Promise<void>((done) => this.#socket.close(() => done()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
