import type { InboundMessage } from "../message.js";
import type { Pipes } from "../sending/pipes.js";
import { addressOf } from "../wire/broker-pool.js";
import type { Accepted } from "./receiver.js";

const textDecoder: TextDecoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** Makes the message object for the application. */
export function inboundMessage({ packet, data, sealed, slot }: Accepted, pipes: Pipes): InboundMessage {
  return {
    data,
    text: () => textDecoder.decode(data),
    from: packet.source,
    queueId: packet.queueId,
    sequence: packet.sequence,
    sentAt: packet.timestamp * 1000,
    broker: addressOf(slot.broker),
    sealed,
    reply: (answer, options = {}) => pipes.reply(packet.source, slot.broker, sealed, answer, options),
  };
}
