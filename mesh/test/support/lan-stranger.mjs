// A neighbour on a LAN who has no key: repeats what he hears there, changed and unchanged, from his own address.
import { createSocket } from "node:dgram";

const [port, times, ...targets] = process.argv.slice(2);
const hearing = createSocket({ type: "udp4", reuseAddr: true });
const heard = [];
hearing.on("message", (bytes, { address }) => {
  if (targets.includes(address)) heard.push(bytes);
});
hearing.bind(Number(port), () => console.log("listens"));
// Told to begin by a line.
process.stdin.once("data", () => {
  let sent = 0;
  const timer = setInterval(() => {
    for (let i = 0; i < 20 && sent < Number(times) && heard.length > 0; i++) {
      const bytes = Buffer.from(heard[sent % heard.length]);
      if (sent % 2 === 1) bytes[(sent * 7) % bytes.length] ^= 1 << (sent % 8);
      for (const target of targets) hearing.send(bytes, Number(port), target);
      sent++;
    }
    if (sent < Number(times)) return;
    clearInterval(timer);
    console.log(`sent ${sent} of ${heard.length}`);
  }, 5);
});
