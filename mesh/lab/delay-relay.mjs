// Holds UDP packets back: those that come at its first port, by as many milliseconds as its standard input last said,
// on their way to PORT of this machine; those that come back, not at all. Says at which port.
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";

const HERE = "127.0.0.1";
/** What waits at most: 50 MB. What is more is lost, as in a queue that is full. */
const MOST = 40_000;

const to = Number(process.argv[2]);
const [near, far] = [createSocket("udp4"), createSocket("udp4")];
let from = 0;
let milliseconds = 0;
let waiting = 0;

near.on("message", (bytes, { port }) => {
  from = port;
  if (waiting === MOST) return;
  waiting++;
  // Node's timers count whole milliseconds of a clock that lags by less than one: without the 1, packets come too early.
  setTimeout(() => {
    waiting--;
    far.send(bytes, to, HERE);
  }, milliseconds + 1);
});
far.on("message", (bytes) => near.send(bytes, from, HERE));
for (const socket of [near, far]) {
  socket.on("error", () => {});
  await once(socket.bind(0, HERE), "listening");
}
console.log(`port ${near.address().port}`);
for await (const line of createInterface({ input: process.stdin })) {
  milliseconds = Number(line);
  console.log(`delays by ${milliseconds}`);
}
