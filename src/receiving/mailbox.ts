import { onAbort } from "../base/abort.js";
import { Listener } from "../base/emitter.js";
import { callGuarded } from "../base/guarded.js";
import type { InboundMessage } from "../message.js";

/** A function that is called with every message. */
export type MessageHandler = (message: InboundMessage) => unknown;

/** The listeners of the router's event `message`. */
export interface MessageListeners {
  /** Those that are there now. */
  readonly present: () => readonly Listener[];
  /** Emits the event, which calls each of them by {@link Mailbox.call}. */
  readonly emit: (message: InboundMessage) => void;
}

/** How many messages wait for a reader that is slow, or for the first one to come. */
const MAX_WAITING = 1024;

/** So many more may wait of peers that are known, of each so many: whoever filled the room keeps none of these out. */
const MORE_OF_KNOWN = 256;
const MORE_OF_EACH = 32;

/** How many calls of one function may go on at once; as long as there are so many, further messages wait. */
const MAX_UNFINISHED = 1024;

/**
 * Hands messages to the application: to every handler, to every iterator, and to every listener of the event. What
 * comes while there is none waits for the first, whichever it is. Says when it is full, so that nothing is
 * acknowledged that it cannot keep: also while a function is so slow that too many of its calls have not ended.
 */
export class Mailbox {
  readonly #handlers = new Map<MessageHandler, Listener>();
  /** Those that want the messages of one peer alone, by its address. */
  readonly #handlersOf = new Map<string, Map<MessageHandler, Listener>>();
  readonly #readers = new Set<Reader>();
  readonly #listeners: MessageListeners;
  readonly #onError: (error: unknown, message: InboundMessage) => void;
  /** The calls of functions that wanted one message, which are gone from the listeners. */
  readonly #once = new Listener(() => {});
  #waiting: InboundMessage[] = [];
  #isHandingOver = false;
  #closed = false;

  /** @param onError - told what a function of the application threw or rejected with */
  constructor(listeners: MessageListeners, onError: (error: unknown, message: InboundMessage) => void) {
    this.#listeners = listeners;
    this.#onError = onError;
  }

  /**
   * Whether one more message of this peer would have to be refused.
   * @param isKnown - whether a peer is more than a stranger
   */
  isFullFor(from: string, isKnown: (from: string) => boolean): boolean {
    // What waits for somebody else does not stand in its way.
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

  /** Adds a handler, once; returns the function that removes it. */
  addHandler(handler: MessageHandler): () => void {
    if (!this.#handlers.has(handler)) this.#handlers.set(handler, new Listener(handler));
    this.receiversChanged();
    return () => {
      this.#handlers.delete(handler);
      this.receiversChanged();
    };
  }

  /** Adds a handler of one peer's messages, once; returns the function that removes it. */
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
   * The messages from this call on, and those that nobody has seen yet. Ends with the signal or the
   * mailbox; what a reader leaves behind that nobody else was handed goes to those who are there, or
   * waits for the next one.
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
      // Also before the first step, and in the middle of one.
      return: () => {
        leave();
        return steps.return(undefined);
      },
    };
  }

  /** Hands a message over, once its turn has come. */
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

  /** Hands over what waits, as far as somebody takes it. To be called when a listener has come or left. */
  receiversChanged(): void {
    // A function that is called may bring others here; they see what comes after its message.
    if (this.#isHandingOver) return;
    this.#isHandingOver = true;
    while (this.#closed || !this.#isBusy) {
      const message = this.#takeWaiting();
      if (!message) break;
      this.#handOver(message);
    }
    this.#isHandingOver = false;
  }

  /** Lets the readers end after what they have. What waits behind slow functions is handed over all the same. */
  close(): void {
    this.#closed = true;
    this.receiversChanged();
    for (const reader of this.#readers) {
      reader.ended = true;
      reader.wake();
    }
  }

  /** The first that waits and that somebody takes. */
  #takeWaiting(): InboundMessage | undefined {
    if (this.#hasReceivers) return this.#waiting.shift();
    if (this.#handlersOf.size === 0) return undefined;
    const at = this.#waiting.findIndex(({ from }) => this.#handlersOf.has(from));
    return at < 0 ? undefined : this.#waiting.splice(at, 1)[0];
  }

  get #hasReceivers(): boolean {
    return this.#handlers.size > 0 || this.#readers.size > 0 || this.#listeners.present().length > 0;
  }

  /** Whether too many calls of a function that is still there have not ended. */
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

/** A message that readers have not taken yet. */
interface Held {
  readonly message: InboundMessage;
  /** How many of them. */
  readers: number;
  /** Whether anybody was handed it. */
  isSeen: boolean;
}

interface Reader {
  readonly queue: Held[];
  wake: () => void;
  ended: boolean;
}
