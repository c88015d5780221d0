/** Builds a lab with something in it, says so, and ends without ending the lab. */
import { createInterface } from "node:readline";
import { makeKeys, startLab } from "../../lab/index.js";

const lab = await startLab({
  nats: { a: { kind: "port-restricted" } },
  hosts: { ha: { behind: "a" } },
  brokers: 1,
  stun: true,
});
const host = lab.host("ha");
const { privateKey } = await makeKeys(host);
await host.wireguard({ privateKey, address: "10.9.0.1/24" });
const { pid } = host.spawn(["sleep", "1000"]);
console.log(JSON.stringify({ pid: process.pid, inside: pid }));
for await (const _ of createInterface({ input: process.stdin })) process.exit(0);
