// Leads connections at a port to a place, as the gateway of dstack leads HTTP to its nodes.
// Usage: tcp-gateway.mjs PORT HOST:PORT
import { connect, createServer } from "node:net";

const [port, place] = process.argv.slice(2);
const [host, to] = place.split(":");

createServer((client) => {
  const node = connect(Number(to), host);
  client.pipe(node).pipe(client);
  for (const socket of [client, node]) {
    socket.on("error", () => {});
    socket.on("close", () => {
      client.destroy();
      node.destroy();
    });
  }
}).listen(Number(port), () => console.log("serving"));
