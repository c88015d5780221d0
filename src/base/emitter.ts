import { check } from "./schema.js";

/** A function that was registered for an event, once for each time that it was. */
export class Listener {
  /** How many of its calls have not ended yet, where somebody counts them. */
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
 * Emits events to listeners, in Node and in browsers, with the methods that every event emitter has. How a listener
 * is called is up to the subclass, so that one that fails can harm nobody: neither the others nor who emits.
 *
 * @typeParam Events - the listener of each event, by the event's name
 */
export abstract class Emitter<Events extends { [E in keyof Events]: (...args: never[]) => unknown }> {
  /** By event. The lists are replaced, not changed: an event goes to those who were there when it was emitted. */
  readonly #listeners = new Map<keyof Events, readonly Listener[]>();

  /** Calls a listener; must not throw. @internal */
  protected abstract callListener(event: keyof Events, listener: Listener, args: readonly unknown[]): void;

  /** Told when listeners of an event have come or left. @internal */
  protected abstract listenersChanged(event: keyof Events): void;

  /**
   * Calls a function with every event of this name, as often as it was registered.
   * @param context - its `this`; default the emitter
   */
  on<E extends keyof Events>(event: E, listener: Events[E], context?: unknown): this {
    return this.#add(event, listener, context, false);
  }

  /** As {@link on}. */
  addListener<E extends keyof Events>(event: E, listener: Events[E], context?: unknown): this {
    return this.on(event, listener, context);
  }

  /** As {@link on}, for the next event alone. */
  once<E extends keyof Events>(event: E, listener: Events[E], context?: unknown): this {
    return this.#add(event, listener, context, true);
  }

  /**
   * Takes a function off an event, every registration of it; without one, all.
   * @param context - only those with this one
   * @param once - only those that were registered with `once`
   */
  off<E extends keyof Events>(event: E, listener?: Events[E], context?: unknown, once = false): this {
    const isMeant = (each: Listener): boolean =>
      (listener === undefined || each.run === listener) &&
      (context === undefined || each.context === context) &&
      (each.once || !once);
    return this.#keep(event, (each) => !isMeant(each));
  }

  /** As {@link off}. */
  removeListener<E extends keyof Events>(
    event: E,
    listener?: Events[E],
    context?: unknown,
    once?: boolean,
  ): this {
    return this.off(event, listener, context, once);
  }

  /** Takes every function off an event, or off all events. */
  removeAllListeners(event?: keyof Events): this {
    for (const name of event === undefined ? this.eventNames() : [event]) this.off(name);
    return this;
  }

  /**
   * Emits an event.
   * @returns whether somebody listens to it
   */
  emit<E extends keyof Events>(event: E, ...args: Parameters<Events[E]>): boolean {
    const listeners = this.registered(event);
    for (const listener of listeners) {
      if (listener.once) this.#keep(event, (each) => each !== listener);
      this.callListener(event, listener, args);
    }
    return listeners.length > 0;
  }

  /** The events that somebody listens to. */
  eventNames(): (keyof Events)[] {
    return [...this.#listeners.keys()];
  }

  /** How many functions are registered for an event. */
  listenerCount(event: keyof Events): number {
    return this.registered(event).length;
  }

  /** The functions that are registered for an event. */
  listeners<E extends keyof Events>(event: E): Events[E][] {
    // They were registered for this event.
    return this.registered(event).map(({ run }) => run as Events[E]);
  }

  /** What is registered for an event. @internal */
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
