// A UDP socket for tests, in a process of its own: reads lines of `HOST PORT TEXT` to send, writes what it receives. A
// letter is a byte.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";

const [host, port] = process.argv.slice(2);
const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
socket.on("message", (bytes, { address, port: from }) =>
  console.log(`got ${address} ${from} ${bytes.toString("latin1")}`),
);
// A port that is closed elsewhere is nothing to die of.
socket.on("error", (error) => console.log(`error ${error.message}`));
socket.bind(Number(port), host);
await once(socket, "listening");
console.log(`bound ${socket.address().port}`);
for await (const line of createInterface({ input: process.stdin })) {
  const [to, at, text] = line.split(" ");
  socket.send(Buffer.from(text, "latin1"), Number(at), to, () => console.log(`sent ${text}`));
}
