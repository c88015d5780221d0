// A registrar of services, which listens in the tunnel alone: node registrar.mjs MULTIADDR
import { createServer } from "node:net";
import { createInterface } from "node:readline";
import { parseWg } from "sidewire-mesh";

const MAX_NAMES = 1000;
const MAX_CONNECTIONS = 64;
const MAX_LINE = 4096;
const IDLE_MS = 30_000;

const { overlay = "" } = parseWg(process.argv[2] ?? "");
const [, , host, transport, port] = overlay.split("/");
if (transport !== "tcp") throw new Error(`${overlay}: a TCP port in the tunnel is expected`);

const services = new Map();

function answer(line) {
  const [verb, name = "", address = ""] = line.slice(0, MAX_LINE).split(" ");
  if (verb === "find") return services.get(name) ?? "none";
  if (verb !== "register" || !/^[\w-]{1,63}$/.test(name))
    return "error: register NAME MULTIADDR, or find NAME";
  if (!services.has(name) && services.size >= MAX_NAMES) return "error: full";
  try {
    parseWg(address);
  } catch (error) {
    return `error: ${error.message}`;
  }
  services.set(name, address);
  return "ok";
}

const server = createServer((socket) => {
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on("error", () => {});
  let unread = 0;
  socket.on("data", (bytes) => {
    unread = bytes.includes(10) ? 0 : unread + bytes.length;
    if (unread > MAX_LINE) socket.destroy();
  });
  createInterface({ input: socket })
    .on("line", (line) => socket.write(`${answer(line)}\n`))
    .on("error", () => {});
});
server.maxConnections = MAX_CONNECTIONS;
server.listen(Number(port), host, () => console.log(`registrar at ${host}:${port}`));
