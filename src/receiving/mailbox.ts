import { onAbort } from "../base/abort.js";
import type { InboundMessage } from "../message.js";

/** A function that is called with every message. */
export type MessageHandler = (message: InboundMessage) => unknown;

/** How many messages wait for a reader that is slow, or for the first one to come. */
const MAX_WAITING = 1024;

/**
 * Hands messages to the application: to every handler, and to every iterator. Where there is neither
 * yet, they wait for the first. Says when it is full, so that nothing is acknowledged that it cannot keep.
 */
export class Mailbox {
  readonly #handlers = new Set<MessageHandler>();
  readonly #readers = new Set<Reader>();
  readonly #onError: (error: unknown, message: InboundMessage) => void;
  #unread: InboundMessage[] = [];
  #closed = false;

  /** @param onError - told what a handler threw or rejected with */
  constructor(onError: (error: unknown, message: InboundMessage) => void) {
    this.#onError = onError;
  }

  /** Whether one more message would have to be refused. */
  get isFull(): boolean {
    if (this.#unread.length >= MAX_WAITING) return true;
    for (const reader of this.#readers) if (reader.queue.length >= MAX_WAITING) return true;
    return false;
  }

  /** Adds a handler, once; returns the function that removes it. */
  addHandler(handler: MessageHandler): () => void {
    this.#handlers.add(handler);
    for (const message of this.#unread.splice(0)) this.#call(handler, message);
    return () => this.#handlers.delete(handler);
  }

  /**
   * The messages from this call on, and those that nobody has seen yet. Ends with the signal or the
   * mailbox; what a reader leaves behind waits for the next one.
   */
  read(signal: AbortSignal | undefined): AsyncIterableIterator<InboundMessage> {
    const reader: Reader = { queue: this.#unread.splice(0), wake: () => {}, ended: this.#closed };
    const leave = (): undefined => {
      stopListening();
      if (this.#readers.delete(reader) && !this.#hasReceivers) this.#unread.unshift(...reader.queue);
      reader.queue.length = 0;
      reader.ended = true;
      reader.wake();
    };
    const steps = (async function* (): AsyncGenerator<InboundMessage, undefined> {
      for (;;) {
        const message = reader.queue.shift();
        if (message) yield message;
        else if (reader.ended) return leave();
        else await new Promise<void>((wake) => Object.assign(reader, { wake }));
      }
    })();
    this.#readers.add(reader);
    const stopListening = onAbort(signal, leave);
    if (signal?.aborted) leave();
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () => steps.next(),
      // Also before the first step, and in the middle of one.
      return: () => {
        leave();
        return steps.return(undefined);
      },
    };
  }

  /**
   * Hands a message over.
   * @param heard - whether somebody else takes it, so that it need not wait here for the first who does
   */
  put(message: InboundMessage, heard: boolean): void {
    if (!heard && !this.#hasReceivers) this.#unread.push(message);
    for (const reader of this.#readers) {
      reader.queue.push(message);
      reader.wake();
    }
    for (const handler of [...this.#handlers]) this.#call(handler, message);
  }

  /** Lets the readers end after what they have. */
  close(): void {
    this.#closed = true;
    for (const reader of this.#readers) {
      reader.ended = true;
      reader.wake();
    }
  }

  get #hasReceivers(): boolean {
    return this.#handlers.size > 0 || this.#readers.size > 0;
  }

  #call(handler: MessageHandler, message: InboundMessage): void {
    (async () => await handler(message))().catch((error: unknown) => this.#onError(error, message));
  }
}

interface Reader {
  readonly queue: InboundMessage[];
  wake: () => void;
  ended: boolean;
}
