import { onAbort } from "../base/abort.js";
import { Listener } from "../base/emitter.js";
import { callGuarded } from "../base/guarded.js";
import type { InboundMessage } from "../message.js";

/** A function that is called with every message. */
export type MessageHandler = (message: InboundMessage) => unknown;

/** The listeners of the router's `message` event. */
export interface MessageListeners {
  /** The current listeners. */
  readonly present: () => readonly Listener[];
  /** Emits the event. The emitter calls each listener by {@link Mailbox.call}. */
  readonly emit: (message: InboundMessage) => void;
}

/** The number of messages that may wait for a slow reader, or for the first reader. */
const MAX_WAITING = 1024;

/**
 * The number of additional messages of known peers that may wait, in all and for each peer. So a stranger who fills the
 * room does not keep out known peers.
 */
const MORE_OF_KNOWN = 256;
const MORE_OF_EACH = 32;

/** The maximum number of running calls of one function. At the limit, further messages wait. */
const MAX_UNFINISHED = 1024;

/**
 * Hands messages to the application: to every handler, every iterator and every listener of the event. Without any of
 * them, messages wait for the first one.
 *
 * The mailbox says when it is full, so that the receiver does not acknowledge a message that the mailbox cannot keep.
 * The mailbox is also full while too many calls of a slow function are running.
 */
export class Mailbox {
  readonly #handlers = new Map<MessageHandler, Listener>();
  /** The handlers for the messages of one peer, by the peer's address. */
  readonly #handlersOf = new Map<string, Map<MessageHandler, Listener>>();
  readonly #readers = new Set<Reader>();
  readonly #listeners: MessageListeners;
  readonly #onError: (error: unknown, message: InboundMessage) => void;
  /**
   * Counts the calls of listeners that were registered for one message. Such listeners are removed before their call.
   */
  readonly #once = new Listener(() => {});
  #waiting: InboundMessage[] = [];
  #isHandingOver = false;
  #closed = false;

  /** @param onError - called with what a function of the application threw or rejected with */
  constructor(listeners: MessageListeners, onError: (error: unknown, message: InboundMessage) => void) {
    this.#listeners = listeners;
    this.#onError = onError;
  }

  /**
   * Whether one more message of this peer must be refused.
   * @param isKnown - whether a peer is a known peer and not a stranger
   */
  isFullFor(from: string, isKnown: (from: string) => boolean): boolean {
    // The peer has a handler of its own, so messages that wait for other handlers do not delay its messages.
    const isBusy = this.#isBusy;
    let most = this.#handlersOf.has(from) && !isBusy ? 0 : this.#waiting.length;
    for (const { queue } of this.#readers) most = Math.max(most, queue.length);
    if (isBusy) most += MAX_WAITING;
    if (most < MAX_WAITING) return false;
    if (most >= MAX_WAITING + MORE_OF_KNOWN || !isKnown(from)) return true;
    return this.#waitingOf(from) >= MORE_OF_EACH;
  }

  #waitingOf(from: string): number {
    let count = this.#waiting.filter((message) => message.from === from).length;
    for (const { queue } of this.#readers)
      count = Math.max(count, queue.filter(({ message }) => message.from === from).length);
    return count;
  }

  /** Adds a handler. Adding the same function twice counts once. Returns a function that removes the handler. */
  addHandler(handler: MessageHandler): () => void {
    if (!this.#handlers.has(handler)) this.#handlers.set(handler, new Listener(handler));
    this.receiversChanged();
    return () => {
      this.#handlers.delete(handler);
      this.receiversChanged();
    };
  }

  /**
   * Adds a handler for one peer's messages. Adding the same function twice counts once. Returns a function that removes
   * the handler.
   */
  addHandlerOf(from: string, handler: MessageHandler): () => void {
    const handlers = this.#handlersOf.get(from) ?? new Map<MessageHandler, Listener>();
    this.#handlersOf.set(from, handlers);
    if (!handlers.has(handler)) handlers.set(handler, new Listener(handler));
    this.receiversChanged();
    return () => {
      handlers.delete(handler);
      if (handlers.size === 0 && this.#handlersOf.get(from) === handlers) this.#handlersOf.delete(from);
      this.receiversChanged();
    };
  }

  /**
   * The messages from this call on, and earlier messages that nobody has seen yet. The iterator ends when the signal
   * fires or the mailbox is closed. Messages that only this reader got and did not take go to the other receivers, or
   * wait for the next one.
   */
  read(signal: AbortSignal | undefined): AsyncIterableIterator<InboundMessage> {
    const reader: Reader = { queue: [], wake: () => {}, ended: this.#closed };
    const leave = (): undefined => {
      stopListening();
      this.#readers.delete(reader);
      const unseen = reader.queue.splice(0).filter((held) => --held.readers === 0 && !held.isSeen);
      this.#waiting = unseen.map(({ message }) => message).concat(this.#waiting);
      reader.ended = true;
      reader.wake();
      this.receiversChanged();
    };
    const stopListening = onAbort(signal, leave);
    const steps = (async function* (): AsyncGenerator<InboundMessage, undefined> {
      for (;;) {
        const held = reader.queue.shift();
        if (held) {
          held.isSeen = true;
          yield held.message;
        } else if (reader.ended) return leave();
        else await new Promise<void>((wake) => Object.assign(reader, { wake }));
      }
    })();
    if (signal?.aborted) leave();
    else {
      this.#readers.add(reader);
      this.receiversChanged();
    }
    return {
      [Symbol.asyncIterator]() {
        return this;
      },
      next: () => steps.next(),
      // `return` works before the first step, and while a step waits.
      return: () => {
        leave();
        return steps.return(undefined);
      },
    };
  }

  /** Adds a message. The message is handed over when its turn has come. */
  put(message: InboundMessage): void {
    this.#waiting.push(message);
    this.receiversChanged();
  }

  /** Calls a function of the application with a message. */
  call(listener: Listener, message: InboundMessage): void {
    const ended = callGuarded(
      () => listener.call([message]),
      (error) => this.#onError(error, message),
    );
    if (!ended) return;
    const counted = listener.once ? this.#once : listener;
    counted.unfinished++;
    void ended.then(() => {
      counted.unfinished--;
      this.receiversChanged();
    });
  }

  /** Hands over waiting messages, if there are receivers. Must be called when a listener was added or removed. */
  receiversChanged(): void {
    // A function that is called may add messages or receivers. They are handled after the current message.
    if (this.#isHandingOver) return;
    this.#isHandingOver = true;
    while (this.#closed || !this.#isBusy) {
      const message = this.#takeWaiting();
      if (!message) break;
      this.#handOver(message);
    }
    this.#isHandingOver = false;
  }

  /**
   * Lets the readers end after the messages that they have. Messages that wait for slow functions are handed over now.
   */
  close(): void {
    this.#closed = true;
    this.receiversChanged();
    for (const reader of this.#readers) {
      reader.ended = true;
      reader.wake();
    }
  }

  /** The first waiting message that has a receiver. */
  #takeWaiting(): InboundMessage | undefined {
    if (this.#hasReceivers) return this.#waiting.shift();
    if (this.#handlersOf.size === 0) return undefined;
    const at = this.#waiting.findIndex(({ from }) => this.#handlersOf.has(from));
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  get #hasReceivers(): boolean {
    return this.#handlers.size > 0 || this.#readers.size > 0 || this.#listeners.present().length > 0;
  }

  /** Whether too many calls of a registered function are running. */
  get #isBusy(): boolean {
    const functions = [this.#once, ...this.#handlers.values(), ...this.#listeners.present()];
    for (const handlers of this.#handlersOf.values()) functions.push(...handlers.values());
    return functions.some(({ unfinished }) => unfinished >= MAX_UNFINISHED);
  }

  #handOver(message: InboundMessage): void {
    const handlers = [...this.#handlers.values(), ...(this.#handlersOf.get(message.from)?.values() ?? [])];
    const isSeen = handlers.length > 0 || this.#listeners.present().length > 0;
    const held = { message, readers: this.#readers.size, isSeen };
    for (const reader of this.#readers) {
      reader.queue.push(held);
      reader.wake();
    }
    for (const handler of handlers) this.call(handler, message);
    this.#listeners.emit(message);
  }
}

/** A message that not all readers have taken yet. */
interface Held {
  readonly message: InboundMessage;
  /** The number of readers that have not taken the message. */
  readers: number;
  /** Whether any handler, listener or reader got the message. */
  isSeen: boolean;
}

interface Reader {
  readonly queue: Held[];
  wake: () => void;
  ended: boolean;
}
