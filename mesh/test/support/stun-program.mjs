// Asks a STUN server once (RFC 8489) from a port, and writes as what it was seen: `seen ADDRESS PORT`.
import { randomBytes } from "node:crypto";
import { createSocket } from "node:dgram";

const [host, at, port] = process.argv.slice(2);
const COOKIE = 0x2112a442;
const MAPPED = 0x0020;
const request = Buffer.concat([Buffer.from("000100002112a442", "hex"), randomBytes(12)]);

const socket = createSocket("udp4");
socket.bind(Number(port), "0.0.0.0", () => socket.send(request, Number(at), host));
const again = setInterval(() => socket.send(request, Number(at), host), 250);
socket.on("message", (bytes) => {
  if (!bytes.subarray(8, 20).equals(request.subarray(8))) return;
  for (let i = 20; i + 4 <= bytes.length; i += 4 + ((bytes.readUInt16BE(i + 2) + 3) & ~3)) {
    if (bytes.readUInt16BE(i) !== MAPPED) continue;
    const number = (bytes.readUInt32BE(i + 8) ^ COOKIE) >>> 0;
    const address = [24, 16, 8, 0].map((shift) => (number >>> shift) & 0xff).join(".");
    console.log(`seen ${address} ${bytes.readUInt16BE(i + 6) ^ (COOKIE >>> 16)}`);
    clearInterval(again);
    socket.close();
    return;
  }
});
