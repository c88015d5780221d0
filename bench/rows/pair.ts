import type { Mosquitto } from "../mosquitto.js";
import type { Process } from "../processes.js";
import type { Place } from "../tasks/bare.js";
import type { Crypto, PacketSizes } from "../tasks/signatures.js";

/** A message such as signaling has. */
export const MESSAGE_BYTES = 200;

/** An ACK's message. */
const ACK_BYTES = 36;

/** A packet around its message, and the part of it that is not signed: key and signature. */
const OVERHEAD = 142;
const UNSIGNED = 97;

/** What is published for such a message, and for its ACK, bytes. */
export const PACKETS: PacketSizes = { message: OVERHEAD + MESSAGE_BYTES, ack: OVERHEAD + ACK_BYTES };

/** What is signed of them. */
export const SIGNED: PacketSizes = { message: PACKETS.message - UNSIGNED, ack: PACKETS.ack - UNSIGNED };

/** The two processes that talk to each other. */
export interface Pair {
  readonly sender: Process;
  readonly receiver: Process;
}

/**
 * A router in each process, with these brokers, and a pipe from the one to the other.
 * @param name - by which the processes are told of it
 * @returns the receiver's address
 */
export async function connect(
  { sender, receiver }: Pair,
  name: string,
  brokers: readonly Mosquitto[],
  { crypto = "built-in", encrypt = false }: { crypto?: Crypto; encrypt?: boolean } = {},
): Promise<string> {
  const options = { brokers: brokers.map(placeOf), fanOut: brokers.length, crypto };
  const [address] = await Promise.all([
    receiver.call("listen", name, options),
    sender.call("listen", name, options),
  ]);
  await sender.call("dial", name, address, encrypt);
  return address;
}

/** What a process can be told of a broker. */
export function placeOf({ host, port }: Mosquitto): Place {
  return { host, port };
}
