// A neighbour on a LAN who has no key: repeats what he hears there, changed and unchanged, from his own address. Reads lines of
// JSON, {"times": COUNT, "perSecond": DATAGRAMS}, for each target, and writes `sent COUNT of HEARD` after each.
import { randomBytes, randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";

const [port, ...targets] = process.argv.slice(2);
const hearing = createSocket({ type: "udp4", reuseAddr: true });
const heard = [];
hearing.on("message", (bytes, { address }) => {
  if (!targets.includes(address)) return;
  heard.push(bytes);
  console.log(`heard ${address}`);
});
hearing.bind(Number(port), () => console.log("listens"));

/** What is made of a datagram: version, hour and records, of which the first has a tag, a length and what is sealed. */
const KINDS = [
  (bytes) => bytes,
  (bytes) => {
    bytes[randomInt(bytes.length)] ^= 1 << randomInt(8);
    return bytes;
  },
  // Another hour: any, or one before or after.
  (bytes) => {
    bytes.writeUInt32BE(randomInt(2 ** 32), 1);
    return bytes;
  },
  (bytes) => {
    bytes.writeUInt32BE(bytes.readUInt32BE(1) + randomInt(-2, 3), 1);
    return bytes;
  },
  // Made up, with a tag that was heard.
  (bytes) => {
    randomBytes(bytes.length - 15).copy(bytes, 15);
    return bytes;
  },
  (bytes) => bytes.subarray(0, randomInt(bytes.length)),
  (bytes) => Buffer.concat([bytes, randomBytes(64)]),
];

for await (const line of createInterface({ input: process.stdin })) {
  const { times, perSecond } = JSON.parse(line);
  const startedAt = performance.now();
  let sent = 0;
  while (sent < times && heard.length > 0) {
    const due = Math.min(times, ((performance.now() - startedAt) / 1000) * perSecond);
    for (; sent < due; sent++) {
      const bytes = Buffer.from(heard[Math.floor(sent / KINDS.length) % heard.length]);
      for (const target of targets) hearing.send(KINDS[sent % KINDS.length](bytes), Number(port), target);
    }
    await delay(5);
  }
  console.log(`sent ${sent} of ${heard.length}`);
}
