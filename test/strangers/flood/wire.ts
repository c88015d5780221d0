import { once } from "node:events";
import { connect, type Socket } from "node:net";

/** A PUBLISH at QoS 0, ready to be written to a broker (MQTT 3.1.1, section 3.3). */
export function publishOf(topic: string, payload: Uint8Array): Buffer {
  const name = Buffer.from(topic);
  const length = encodeLength(2 + name.length + payload.length);
  const head = Buffer.of(name.length >> 8, name.length & 255);
  return Buffer.concat([Buffer.of(0x30), length, head, name, payload]);
}

/** The length of an MQTT packet as it is written before it (section 2.2.3). */
function encodeLength(length: number): Buffer {
  const bytes: number[] = [];
  let left = length;
  do {
    bytes.push((left & 127) | (left > 127 ? 128 : 0));
    left >>>= 7;
  } while (left > 0);
  return Buffer.from(bytes);
}

/** A connection to a broker that only writes. */
export async function connectWriter(host: string, port: number): Promise<Socket> {
  const socket = connect({ host, port, noDelay: true });
  const id = Buffer.from(`flood${process.pid}`);
  const head = Buffer.from("\0\x04MQTT\x04\x02\0\0", "latin1");
  const variable = Buffer.concat([head, Buffer.of(0, id.length), id]);
  socket.write(Buffer.concat([Buffer.of(0x10, variable.length), variable]));
  const [connack] = await once(socket, "data");
  // The only thing a broker says first: bytes.
  if ((connack as Buffer)[3] !== 0) throw new Error("the broker refused the flood");
  socket.resume();
  return socket;
}
