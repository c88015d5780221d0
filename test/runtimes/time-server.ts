import { createSocket } from "node:dgram";
import { once } from "node:events";

/** From 1900 to 1970, seconds. */
const NTP_EPOCH_S = 2_208_988_800;

/** An NTP server on this machine that is a minute ahead. */
export async function startTimeServer(): Promise<{ readonly name: string; close(): void }> {
  const socket = createSocket("udp4");
  socket.on("message", (request, { port, address }) => {
    const answer = Buffer.alloc(48);
    answer[0] = (4 << 3) | 4; // version 4, server
    answer[1] = 1;
    answer[3] = 0xec; // 2^-20 s
    answer.write("TEST", 12);
    request.copy(answer, 24, 40, 48);
    const seconds = (Date.now() + 60_000) / 1000 + NTP_EPOCH_S;
    for (const offset of [32, 40]) {
      answer.writeUInt32BE(Math.floor(seconds), offset);
      answer.writeUInt32BE(Math.floor((seconds % 1) * 2 ** 32), offset + 4);
    }
    socket.send(answer, port, address);
  });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return { name: `127.0.0.1:${socket.address().port}`, close: () => socket.close() };
}
