// aedes as a program: a broker at an address, on a port for TCP and one for WebSocket.
import { once } from "node:events";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { Aedes } from "aedes";
import { createWebSocketStream, WebSocketServer } from "ws";

const [host, port, webPort] = process.argv.slice(2);
const aedes = await Aedes.createBroker();

const tcp = createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {});
  aedes.handle(socket);
});
const http = createHttpServer({ noDelay: true });
new WebSocketServer({ server: http }).on("connection", (webSocket) => {
  const stream = createWebSocketStream(webSocket);
  stream.on("error", () => {});
  aedes.handle(stream);
});

for (const [server, at] of [
  [tcp, port],
  [http, webPort],
])
  await once(server.listen(at, host), "listening");
console.log("running");
