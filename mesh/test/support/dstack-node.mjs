// A node of the dstack demo, by its HTTP contract alone; it uses nothing of this package.
// It asks a STUN server from WireGuard's port, serves /node.json and /test, reads the list, and sets WireGuard's peers.
// Usage: dstack-node.mjs INTERFACE PUBLIC-KEY LIST-URL STUN-HOST STUN-PORT. A line on its input says that WireGuard is there.
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:http";
import { setTimeout as delay } from "node:timers/promises";

const HTTP_PORT = 8080;
const WIREGUARD_PORT = 51820;
const [wg, publicKey, list, stunHost, stunPort] = process.argv.slice(2);
let ownIp;
/** What each URL has said. A node that does not answer for a moment stays a peer. */
const known = new Map();

const { ip, port } = await stun();
console.log(`seen at ${ip}:${port}`);
await once(process.stdin, "data");

createServer((request, response) => {
  const body =
    request.url === "/node.json"
      ? { wg_public_key: publicKey, stun_ip: ip, stun_port: port }
      : { wg_ip: `${ownIp}/32`, time: new Date().toISOString() };
  response.setHeader("Content-Type", "application/json");
  response.end(JSON.stringify(body));
}).listen(HTTP_PORT);

for (;;) {
  await round().catch((error) => console.log(`round: ${error.message}`));
  await delay(500);
}

async function round() {
  const urls = await (await fetch(list)).json();
  const nodes = await Promise.all(
    urls.map(async (url) => {
      const said = await json(url);
      if (said !== undefined) known.set(url, said);
      return known.get(url);
    }),
  );
  const peers = [];
  for (const [index, node] of nodes.entries()) {
    const address = `10.88.0.${10 + index}`;
    if (node?.wg_public_key === publicKey) {
      if (ownIp !== address) {
        if (ownIp !== undefined) run("ip", "addr", "del", `${ownIp}/24`, "dev", wg);
        run("ip", "addr", "replace", `${address}/24`, "dev", wg);
        ownIp = address;
        console.log(`this node is ${address}`);
      }
    } else if (node?.stun_ip) peers.push({ ...node, address });
  }
  for (const key of run("wg", "show", wg, "peers").split("\n").filter(Boolean))
    if (!peers.some((peer) => peer.wg_public_key === key)) run("wg", "set", wg, "peer", key, "remove");
  for (const { wg_public_key, stun_ip, stun_port, address } of peers)
    run(
      ...["wg", "set", wg, "peer", wg_public_key, "endpoint", `${stun_ip}:${stun_port}`],
      ...["allowed-ips", `${address}/32`, "persistent-keepalive", "25"],
    );
  for (const { address } of peers) {
    const said = await json(`http://${address}:${HTTP_PORT}/test`);
    if (said !== undefined) console.log(`connected to ${address}: ${JSON.stringify(said)}`);
  }
}

async function json(url) {
  try {
    return await (await fetch(url, { signal: AbortSignal.timeout(2000) })).json();
  } catch {
    return undefined;
  }
}

function run(program, ...args) {
  return execFileSync(program, args, { encoding: "utf8" });
}

async function stun() {
  const socket = createSocket("udp4").bind(WIREGUARD_PORT);
  await once(socket, "listening");
  const magic = 0x2112a442;
  const head = Buffer.alloc(8);
  head.writeUInt16BE(1, 0);
  head.writeUInt32BE(magic, 4);
  socket.send(Buffer.concat([head, randomBytes(12)]), Number(stunPort), stunHost);
  const [answer] = await once(socket, "message");
  socket.close();
  for (let at = 20; at < answer.length; ) {
    const [type, length] = [answer.readUInt16BE(at), answer.readUInt16BE(at + 2)];
    // XOR-MAPPED-ADDRESS
    if (type === 0x20) {
      const address = (answer.readUInt32BE(at + 8) ^ magic) >>> 0;
      const bytes = [24, 16, 8, 0].map((shift) => (address >>> shift) & 255);
      return { ip: bytes.join("."), port: answer.readUInt16BE(at + 6) ^ (magic >>> 16) };
    }
    at += 4 + length + ((4 - (length % 4)) % 4);
  }
  throw new Error("the server does not say where this node is");
}
