// Asks the registrar: node client.mjs MULTIADDR register NAME MULTIADDR, or node client.mjs MULTIADDR find NAME
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { parseWg } from "sidewire-mesh";

const [registrar = "", ...words] = process.argv.slice(2);
const { overlay = "" } = parseWg(registrar);
const [, , host, , port] = overlay.split("/");

const socket = connect(Number(port), host);
socket.setTimeout(10_000, () => socket.destroy(new Error(`${host}:${port} does not answer`)));
socket.write(`${words.join(" ")}\n`);
createInterface({ input: socket }).once("line", (line) => {
  console.log(line);
  process.exitCode = line.startsWith("error") || line === "none" ? 1 : 0;
  socket.destroy();
});
