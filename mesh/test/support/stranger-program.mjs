// A stranger, for tests: a UDP socket and a client of a broker, in a process of its own. Reads lines of JSON of what to do,
// and writes what comes: `got ADDRESS PORT HEX`, `heard TOPIC HEX`.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { connectAsync } from "mqtt";

const [host, port, broker] = process.argv.slice(2);
const socket = createSocket("udp4");
socket.on("message", (bytes, from) =>
  console.log(`got ${from.address} ${from.port} ${bytes.toString("hex")}`),
);
// A port that is closed elsewhere is nothing to die of.
socket.on("error", () => {});
socket.bind(Number(port), host);
await once(socket, "listening");
const client = await connectAsync(`mqtt://${broker}:1883`);
client.on("message", (topic, payload) => console.log(`heard ${topic} ${payload.toString("hex")}`));
await client.subscribeAsync("#");
console.log("ready");

const send = ([hex, address, to]) =>
  new Promise((resolve) => {
    socket.send(Buffer.from(hex, "hex"), to, address, resolve);
  });

/** Sends packets in turn, so many a second, for so long. */
async function flood({ packets, perSecond, ms }) {
  const startedAt = performance.now();
  let sent = 0;
  for (let passed = 0; passed < ms; passed = performance.now() - startedAt) {
    for (; sent < (passed / 1000) * perSecond; sent++) await send(packets[sent % packets.length]);
    await delay(5);
  }
  return sent;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { packets = [], publishes = [], flooding } = JSON.parse(line);
  for (const packet of packets) await send(packet);
  for (const [topic, hex] of publishes) await client.publishAsync(topic, Buffer.from(hex, "hex"));
  if (flooding !== undefined) console.log(`flooded with ${await flood(flooding)}`);
}
