/** A TCP stream: `receive HOST` says its port, and at its end how much came; `send HOST PORT SECONDS` is its other end. */
import { once } from "node:events";
import { connect, createServer } from "node:net";

const [, , task, host, port, seconds] = process.argv;

/** Until TCP has found its window, ms. */
const WARM_UP_MS = 500;

if (task === "receive") {
  const server = createServer({ highWaterMark: 1 << 20 }, async (socket) => {
    let bytes = 0;
    let startedAt = Number.POSITIVE_INFINITY;
    let last = 0;
    setTimeout(() => {
      startedAt = performance.now();
    }, WARM_UP_MS);
    socket.on("data", (chunk) => {
      const now = performance.now();
      if (now < startedAt) return;
      bytes += chunk.length;
      last = now;
    });
    await once(socket, "end");
    process.stdout.write(`received ${(bytes / (last - startedAt)) * 1000} B/s\n`);
    server.close();
  });
  server.listen(0, host, () => process.stdout.write(`port ${server.address().port}\n`));
} else {
  const socket = connect(Number(port), host);
  await once(socket, "connect");
  const chunk = Buffer.alloc(1 << 18);
  const endsAt = performance.now() + Number(seconds) * 1000 + WARM_UP_MS;
  while (performance.now() < endsAt) if (!socket.write(chunk)) await once(socket, "drain");
  socket.end();
}
