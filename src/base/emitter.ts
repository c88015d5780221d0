import { check } from "./schema.js";

/** One registration of a function for an event. A function that is registered twice has two of these. */
export class Listener {
  /** How many calls of this listener have not ended yet. Only the mailbox counts them. */
  unfinished = 0;

  constructor(
    readonly run: (...args: never[]) => unknown,
    readonly context: unknown = undefined,
    readonly once: boolean = false,
  ) {}

  call(args: readonly unknown[]): unknown {
    return Reflect.apply(this.run, this.context, args);
  }
}

/**
 * Emits events to listeners, in Node and in browsers. The methods are those of the usual event emitters.
 *
 * The subclass decides how a listener is called. So a listener that fails can harm neither the other listeners nor the
 * code that emits.
 *
 * @typeParam Events - the listener of each event, by the event's name
 */
export abstract class Emitter<Events extends { [E in keyof Events]: (...args: never[]) => unknown }> {
  /**
   * The lists by event. A list is replaced, never changed: an event reaches exactly the listeners that were registered
   * when the event was emitted.
   */
  readonly #listeners = new Map<keyof Events, readonly Listener[]>();

  /** Calls one listener. Must not throw. @internal */
  protected abstract callListener(event: keyof Events, listener: Listener, args: readonly unknown[]): void;

  /** Called after listeners of an event were added or removed. @internal */
  protected abstract listenersChanged(event: keyof Events): void;

  /**
   * Calls a function for every event of this name. A function that is registered twice is called twice.
   * @param context - the function's `this`; default: the emitter
   * @throws InvalidInputError `INVALID_OPTION` when the listener is no function
   */
  on<E extends keyof Events>(event: E, listener: Events[E], context?: unknown): this {
    return this.#add(event, listener, context, false);
  }

  /** The same as {@link on}. */
  addListener<E extends keyof Events>(event: E, listener: Events[E], context?: unknown): this {
    return this.on(event, listener, context);
  }

  /** The same as {@link on}, but only for the next event. */
  once<E extends keyof Events>(event: E, listener: Events[E], context?: unknown): this {
    return this.#add(event, listener, context, true);
  }

  /**
   * Removes every registration of a function for an event. Without a function, removes all functions of the event.
   * @param context - if given, removes only registrations with this `this`
   * @param once - if true, removes only registrations made with `once`
   */
  off<E extends keyof Events>(event: E, listener?: Events[E], context?: unknown, once = false): this {
    const isMeant = (each: Listener): boolean =>
      (listener === undefined || each.run === listener) &&
      (context === undefined || each.context === context) &&
      (each.once || !once);
    return this.#keep(event, (each) => !isMeant(each));
  }

  /** The same as {@link off}. */
  removeListener<E extends keyof Events>(
    event: E,
    listener?: Events[E],
    context?: unknown,
    once?: boolean,
  ): this {
    return this.off(event, listener, context, once);
  }

  /** Removes every function of one event, or of all events. */
  removeAllListeners(event?: keyof Events): this {
    for (const name of event === undefined ? this.eventNames() : [event]) this.off(name);
    return this;
  }

  /**
   * Emits an event.
   * @returns true when the event has a listener
   */
  emit<E extends keyof Events>(event: E, ...args: Parameters<Events[E]>): boolean {
    const listeners = this.registered(event);
    for (const listener of listeners) {
      if (listener.once) this.#keep(event, (each) => each !== listener);
      this.callListener(event, listener, args);
    }
    return listeners.length > 0;
  }

  /** The events that have a listener. */
  eventNames(): (keyof Events)[] {
    return [...this.#listeners.keys()];
  }

  /** How many functions are registered for an event. */
  listenerCount(event: keyof Events): number {
    return this.registered(event).length;
  }

  /** The functions that are registered for an event. */
  listeners<E extends keyof Events>(event: E): Events[E][] {
    // The cast is safe: these functions were registered for this event.
    return this.registered(event).map(({ run }) => run as Events[E]);
  }

  /** The registrations for an event. @internal */
  protected registered(event: keyof Events): readonly Listener[] {
    return this.#listeners.get(event) ?? [];
  }

  #add<E extends keyof Events>(event: E, run: Events[E], context: unknown, once: boolean): this {
    check(typeof run === "function", "INVALID_OPTION", "listener", "a function");
    const listener = new Listener(run, context ?? this, once);
    this.#listeners.set(event, [...this.registered(event), listener]);
    this.listenersChanged(event);
    return this;
  }

  #keep(event: keyof Events, isKept: (listener: Listener) => boolean): this {
    const kept = this.registered(event).filter(isKept);
    if (kept.length === this.listenerCount(event)) return this;
    if (kept.length > 0) this.#listeners.set(event, kept);
    else this.#listeners.delete(event);
    this.listenersChanged(event);
    return this;
  }
}
