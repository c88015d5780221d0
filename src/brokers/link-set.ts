import type { Broker } from "../wire/broker-pool.js";
import type { Connections } from "./connections.js";
import type { LineSpeed } from "./line-speed.js";
import { type LinkSetOptions, type LinkSlot, type LinkWatcher, Slot, type SlotOwner } from "./link-slot.js";

/** The brokers of one address, over connections that other addresses may share. */
export class LinkSet implements SlotOwner {
  readonly options: LinkSetOptions;
  readonly #connections: Connections;
  readonly #slots = new Map<string, Slot>();
  #urgent = false;

  constructor(connections: Connections, options: LinkSetOptions) {
    this.options = options;
    this.#connections = connections;
  }

  /** The speed of the line that all links share. */
  get speed(): LineSpeed {
    return this.#connections.speed;
  }

  /** The brokers that have been dialled. */
  slots(): readonly LinkSlot[] {
    return [...this.#slots.values()].filter((slot) => slot.isTried);
  }

  /**
   * True while the address cannot be reached at all. No broker then waits longer than a few seconds for its next try.
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

  /** The slot of a broker, whether it was dialled or not. */
  find(broker: Broker): LinkSlot {
    return this.#find(broker);
  }

  /** Returns one object for a broker, shared by all addresses. */
  same(broker: Broker): Broker {
    return this.#connections.same(broker);
  }

  /** Whether a broker is connected for any address. Listening on such a broker costs no dialling. */
  isConnected(broker: Broker): boolean {
    return this.#connections.find(broker).state === "open";
  }

  /** Dials a broker, unless it is connected, connecting or waiting for its next try. */
  dial(broker: Broker): LinkSlot {
    const slot = this.#find(broker);
    this.#connections.dial(slot);
    return slot;
  }

  /**
   * Dials a broker. Tells the watcher now and whenever the broker is connected again, until the returned function is
   * called. A broker that is waiting is dialled when its pause is over.
   */
  want(broker: Broker, watcher: LinkWatcher): () => void {
    const slot = this.#find(broker);
    const stop = slot.watch(watcher);
    if (slot.state === "open") watcher.opened?.(slot);
    else this.#connections.keepDialling(slot);
    return stop;
  }

  /** Keeps a broker connected until {@link release}. A lost connection is dialled again. */
  hold(broker: Broker, holder: unknown): LinkSlot {
    const slot = this.#find(broker);
    slot.hold(holder);
    if (slot.state !== "open") this.#connections.keepDialling(slot);
    return slot;
  }

  /** Ends a {@link hold}. The connection stays open until it is idle. */
  release(broker: Broker, holder: unknown): void {
    this.#find(broker).release(holder);
  }

  /**
   * Publishes over an open slot. Does not check the rate.
   * @param onLeft - called as by {@link BrokerLink.publish}
   * @returns false when the slot is not open or its broker is stuck
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

  /** Whether a long message for this address is coming in by any broker. */
  get isReceiving(): boolean {
    for (const { link } of this.#slots.values()) if (link?.isReceiving(this.options.topic)) return true;
    return false;
  }

  /**
   * Leaves the brokers that are not wanted now. Resolves with their number, when the sessions without other users have
   * ended.
   */
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
      // The slot stays in this set, because a caller may ask after the end what each broker did.
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
