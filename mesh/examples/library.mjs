import { readFile } from "node:fs/promises";
import { parseBrokerPool } from "sidewire";
import { Mesh } from "sidewire-mesh";

const brokers = parseBrokerPool(await readFile("brokers.json", "utf8"));
const stateFolder = "/var/lib/sidewire-mesh";
const mesh = await Mesh.open({ interface: "wg0", brokers, stun: ["stun.example.org:3478"], stateFolder });
mesh.on("peer", (peer) => console.log(peer.publicKey, peer.state, peer.path?.kind, peer.path?.roundTripMs));
console.log(mesh.candidates());
for (const { publicKey } of mesh.peers()) console.log(await mesh.ping(publicKey));
await mesh.close();
