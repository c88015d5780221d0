import { onAbort, throwIfAborted } from "../base/abort.js";
import { monotonicNow } from "../base/alarm.js";
import { NoAckError } from "../base/errors.js";
import { isPromise } from "../base/guarded.js";
import type { Wait } from "../options.js";
import type { Broker } from "../wire/broker-pool.js";
import { MessageType } from "../wire/packet.js";
import { type Acknowledgement, Delivery, TimeoutReached } from "./delivery.js";
import type { Numbering } from "./numbering.js";
import { Outbox, type Place } from "./outbox.js";
import { Packing } from "./packing.js";
import type { PipeContext } from "./pipe-context.js";
import { planFor } from "./plan.js";
import { PublishingOrder } from "./publishing-order.js";
import { withPatience } from "./signing.js";
import type { Turns } from "./turns.js";

export interface TransmitterOptions {
  readonly context: PipeContext;
  /** The destination's address. */
  readonly to: string;
  /** The brokers where the destination may listen, the best first. */
  readonly route: () => readonly Broker[];
  readonly numbering: Numbering;
  readonly turns: Turns;
}

/** A message or probe to be sent. */
export interface Outgoing extends Wait {
  readonly type: MessageType;
  readonly place: Place;
  /** Makes the content of the packet; may fail. */
  readonly make: () => Uint8Array | Promise<Uint8Array>;
}

/** The result for a message that was acknowledged. */
export interface Sent {
  readonly delivery: Delivery;
  readonly ack: Acknowledgement;
  readonly remoteClockOffsetMs: number;
}

/** Sends the messages and probes of a pipe: signs them, publishes them in their order, and waits for the first ACK. */
export class Transmitter {
  readonly #options: TransmitterOptions;
  readonly #order = new PublishingOrder();

  constructor(options: TransmitterOptions) {
    this.#options = options;
  }

  /**
   * Sends a message whose turn has come. After the first ACK, the outbox still accepts further ACKs for it, until the
   * caller takes the message out of the outbox.
   * @throws {@link NoAckError}, {@link SidewireError} `CLOSED`, AbortError, or the error of the signer or the clock
   */
  async transmit(outgoing: Outgoing): Promise<Sent> {
    const { context, to, numbering, turns } = this.#options;
    const { outbox } = context;
    const { type, place, timeoutMs, signal } = outgoing;
    // A probe has a queue of its own, so it does not wait for messages.
    const inOrder = type === MessageType.Message ? this.#order.enter() : undefined;
    let isPublished = false;
    const published = (): void => {
      if (isPublished) return;
      isPublished = true;
      if (inOrder) this.#order.leave(inOrder);
      turns.published();
    };
    let delivery: Delivery | undefined;
    let stop: (() => void) | undefined;
    try {
      const startedAt = monotonicNow();
      const signer = withPatience(context.identity, { timeoutMs, signal }, context.lifecycle);
      const made = outgoing.make();
      const message = isPromise(made) ? await made : made;
      const packing = new Packing({ place, type, message, signer, wallNow: context.wallNow });
      const payload = await packing.pack();
      if (inOrder) await this.#order.reached(inOrder, signal);
      // Signing takes time, and the signal may have fired before this function listened to it.
      throwIfAborted(signal);
      context.lifecycle.checkNotOver();
      const leftMs = timeoutMs - (monotonicNow() - startedAt);
      delivery = this.#begin(payload, outgoing, leftMs, packing);
      stop = onAbort(signal, (error) => delivery?.stop(error));
      const acknowledged = delivery.run();
      published();
      const ack = await acknowledged;
      this.#learn(place, delivery, ack);
      // The ACK has whole seconds, so the middle of that second is compared with the own clock at its arrival.
      const remoteClockOffsetMs = ack.timestamp * 1000 + 500 - packing.wallAt(ack.at);
      return { delivery, ack, remoteClockOffsetMs };
    } catch (error) {
      outbox.take(Outbox.keyOf(to, place.queueId, place.sequence));
      if ((delivery?.publishes ?? 0) === 0) numbering.giveBack(place);
      throw error instanceof TimeoutReached
        ? new NoAckError(to, timeoutMs, delivery?.report() ?? [], "not signed in time")
        : error;
    } finally {
      published();
      stop?.();
    }
  }

  /** Makes a delivery and adds it to the outbox. The delivery is not started. */
  #begin(payload: Uint8Array, { type, place }: Outgoing, timeoutMs: number, packing: Packing): Delivery {
    const { context, to, route, turns } = this.#options;
    const { links, outbox, routes, settings, schedule } = context;
    const { queueId, sequence } = place;
    const { bytesInFlight } = turns;
    const bytes = payload.length;
    const plan = planFor({ to, bytes, bytesInFlight, timeoutMs }, settings, links.speed, routes.peers);
    const { fanOut, widenAfterMs, answerMs, arrivingMs, leavingMs, newestFirst } = plan;
    const delivery = new Delivery({
      links,
      to,
      payload,
      renew: type === MessageType.Message ? packing.renew : undefined,
      route: route(),
      fanOut,
      arrivingMs,
      onLeaving: () => schedule(outbox.restart(Outbox.keyOf(to, queueId, sequence), monotonicNow())),
    });
    schedule(
      outbox.add(
        delivery,
        { to, queueId, sequence, newestFirst, widenAfterMs, answerMs, timeoutMs, leavingMs },
        monotonicNow(),
      ),
    );
    return delivery;
  }

  #learn(place: Place, delivery: Delivery, { slot, isBare }: Acknowledgement): void {
    const { context, to } = this.#options;
    const { routes, outbox, schedule } = context;
    schedule(outbox.heard(to, monotonicNow(), isBare ? place : undefined));
    const roundTripMs = delivery.roundTripBy(slot);
    slot.traffic.acknowledged++;
    slot.sizes.taken(delivery.bytes);
    routes.peers.acknowledged(to, isBare);
    if (roundTripMs !== undefined) {
      slot.traffic.roundTripMs = roundTripMs;
      routes.peers.measured(to, roundTripMs, delivery.bytes);
    }
    routes.found(to, slot.broker);
  }
}
