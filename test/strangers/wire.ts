import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** The length of an MQTT packet as it is written before it (MQTT 3.1.1, section 2.2.3). */
export function encodeLength(length: number): Buffer {
  const bytes: number[] = [];
  let left = length;
  do {
    bytes.push((left & 127) | (left > 127 ? 128 : 0));
    left >>>= 7;
  } while (left > 0);
  return Buffer.from(bytes);
}

/** A PUBLISH at QoS 0, ready to be written to a broker (section 3.3). */
export function publishOf(topic: string, payload: Uint8Array): Buffer {
  const name = Buffer.from(topic);
  const length = encodeLength(2 + name.length + payload.length);
  return Buffer.concat([
    Buffer.of(0x30),
    length,
    Buffer.of(name.length >> 8, name.length & 255),
    name,
    payload,
  ]);
}

/** A connection to a broker that only writes. */
export async function connectWriter(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  const id = Buffer.from(`flood${process.pid}`);
  const variable = Buffer.concat([
    Buffer.from("\0\x04MQTT\x04\x02\0\0", "latin1"),
    Buffer.of(0, id.length),
    id,
  ]);
  socket.write(Buffer.concat([Buffer.of(0x10, variable.length), variable]));
  const [connack] = await once(socket, "data");
  // The only thing a broker says first: bytes.
  if ((connack as Buffer)[3] !== 0) throw new Error("the broker refused the flood");
  socket.resume();
  return socket;
}
