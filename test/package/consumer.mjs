// A program in ES modules that has nothing but the installed package.
import { once } from "node:events";
import { createServer } from "node:net";
import { Aedes } from "aedes";
import { defaultBrokers, Keypair, Router, SidewireError } from "sidewire";
import bundled from "sidewire/brokers.json" with { type: "json" };
import { FileHintStore } from "sidewire/node";
import { connect } from "sidewire/webrtc";

const broker = await Aedes.createBroker();
const server = createServer(broker.handle).listen(0, "127.0.0.1");
await once(server, "listening");
const brokers = { IPv4: { "127.0.0.1": { port: server.address().port } } };

const options = { getTime: Date.now, brokers, families: ["IPv4"] };
const ann = new Router(Keypair.generate(), { ...options, hintStore: new FileHintStore("hints/hints.json") });
const ben = new Router(Keypair.generate(), {
  ...options,
  onMessage: (message) => message.reply("hello back"),
});
await Promise.all([ann.start(), ben.start()]);
const replies = ann.messages();
const pipe = await ann.pipe(ben.address);
const bytes = await pipe.send("hello");
const { value: reply } = await replies.next();
// The same classes of errors, and a Node without RTCPeerConnection.
const refusal = await connect(ann, ben.address).catch((error) => error);
await Promise.all([ann.close(), ben.close()]);
server.close();
broker.close();

const isRefused = refusal instanceof SidewireError && refusal.code === "UNSUPPORTED";
const ok =
  isRefused &&
  bytes === 5 &&
  reply.text() === "hello back" &&
  Object.keys(bundled.IPv4)[0] in defaultBrokers.IPv4;
console.log(`packed, ES modules: ${ok ? "works" : "FAILS"}`);
process.exitCode = ok ? 0 : 1;
