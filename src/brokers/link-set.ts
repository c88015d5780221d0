import type { Broker } from "../wire/broker-pool.js";
import type { Connections } from "./connections.js";
import type { LineSpeed } from "./line-speed.js";
import { type LinkSetOptions, type LinkSlot, type LinkWatcher, Slot, type SlotOwner } from "./link-slot.js";

/** The brokers of one address, over connections that other addresses may use as well. */
export class LinkSet implements SlotOwner {
  readonly options: LinkSetOptions;
  readonly #connections: Connections;
  readonly #slots = new Map<string, Slot>();
  #urgent = false;

  constructor(connections: Connections, options: LinkSetOptions) {
    this.options = options;
    this.#connections = connections;
  }

  /** Of the line that all links share. */
  get speed(): LineSpeed {
    return this.#connections.speed;
  }

  /** The brokers that have been dialled. */
  slots(): readonly LinkSlot[] {
    return [...this.#slots.values()].filter((slot) => slot.isTried);
  }

  /**
   * While true, no broker waits longer than a few seconds for its next try: the address cannot be
   * reached at all.
   */
  set urgent(urgent: boolean) {
    if (urgent === this.#urgent) return;
    this.#urgent = urgent;
    if (urgent) this.#connections.hurry(this.#slots.values());
  }

  get urgent(): boolean {
    return this.#urgent;
  }

  answered(slot: Slot): void {
    this.#connections.answered(slot);
  }

  forget(slot: Slot): void {
    this.#slots.delete(slot.id);
  }

  /** The slot of a broker, which may have been dialled or not. */
  find(broker: Broker): LinkSlot {
    return this.#find(broker);
  }

  /** The same broker as one object for all addresses. */
  same(broker: Broker): Broker {
    return this.#connections.same(broker);
  }

  /** Whether a broker is connected, for this address or another: to listen on it, too, costs no dialling. */
  isConnected(broker: Broker): boolean {
    return this.#connections.find(broker).state === "open";
  }

  /** Dials a broker unless it is connected, connecting or waiting for its next try. */
  dial(broker: Broker): LinkSlot {
    const slot = this.#find(broker);
    this.#connections.dial(slot);
    return slot;
  }

  /**
   * Dials a broker and tells the watcher, now and whenever it is connected again, until the returned
   * function is called. A broker that is waiting is dialled when its time has come.
   */
  want(broker: Broker, watcher: LinkWatcher): () => void {
    const slot = this.#find(broker);
    const stop = slot.watch(watcher);
    if (slot.state === "open") watcher.opened?.(slot);
    else this.#connections.keepDialling(slot);
    return stop;
  }

  /** Keeps a broker connected, whatever happens to it, until {@link release}. */
  hold(broker: Broker, holder: unknown): LinkSlot {
    const slot = this.#find(broker);
    slot.hold(holder);
    if (slot.state !== "open") this.#connections.keepDialling(slot);
    return slot;
  }

  /** Ends a {@link hold}; the connection stays until it is idle. */
  release(broker: Broker, holder: unknown): void {
    this.#find(broker).release(holder);
  }

  /**
   * Publishes over an open slot, if it can take it. Does not look at the rate.
   * @param onLeft - as of {@link BrokerLink.publish}
   */
  publish(slot: LinkSlot, topic: string, payload: Uint8Array, now: number, onLeft?: () => void): boolean {
    const onRead = (): void => {
      slot.sizes.read();
      onLeft?.();
    };
    if (slot.link?.publish(topic, payload, onRead) !== true) return false;
    slot.sizes.published(payload.length);
    slot.traffic.sent++;
    const own = this.#slots.get(slot.id);
    if (own) own.lastUse = now;
    return true;
  }

  /** Whether a long message for this address is coming in by one of them. */
  get isReceiving(): boolean {
    for (const { link } of this.#slots.values()) if (link?.isReceiving(this.options.topic)) return true;
    return false;
  }

  /** Leaves the brokers that nobody wants now; resolves with how many, when the sessions are gone that end by it. */
  async closeUnwanted(): Promise<number> {
    const unwanted = [...this.#slots.values()].filter((slot) => slot.state === "open" && !slot.isWanted);
    for (const slot of unwanted) this.#connections.leave(slot, true);
    await this.#connections.left();
    return unwanted.length;
  }

  /** Leaves every broker, for good. */
  async close(graceful: boolean): Promise<void> {
    for (const slot of [...this.#slots.values()]) {
      slot.drop();
      this.#connections.leave(slot, graceful);
      // It stays here: what each broker did can be asked for after the end.
      slot.known.users.delete(slot);
    }
    await this.#connections.left();
  }

  #find(broker: Broker): Slot {
    const known = this.#connections.find(broker);
    let slot = this.#slots.get(known.id);
    if (!slot) {
      slot = new Slot(known, this);
      known.users.add(slot);
      this.#slots.set(known.id, slot);
    }
    return slot;
  }
}
