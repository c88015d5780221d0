// The same in CommonJS, where the two peers sit in one function.
const { once } = require("node:events");
const { createServer } = require("node:net");
const { AppPacket, InvalidInputError, Keypair, Router } = require("sidewire");
const { FileHintStore, ntpClock } = require("sidewire/node");
const { connect } = require("sidewire/webrtc");
const bundled = require("sidewire/brokers.json");

async function main() {
  const { Aedes } = await import("aedes");
  const broker = await Aedes.createBroker();
  const server = createServer(broker.handle).listen(0, "127.0.0.1");
  await once(server, "listening");
  const brokers = { IPv4: { "127.0.0.1": { port: server.address().port } } };
  const options = {
    getTime: Date.now,
    brokers,
    families: ["IPv4"],
    hintStore: new FileHintStore("hints/cjs.json"),
  };
  const ann = new Router(Keypair.generate(), options);
  const ben = new Router(Keypair.generate(), { ...options, onMessage: () => {} });
  await Promise.all([ann.start(), ben.start()]);
  const pipe = await ann.pipe(ben.address);
  const bytes = await pipe.send("hello");
  await Promise.all([ann.close(), ben.close()]);
  server.close();
  broker.close();
  // The two entries have the same classes.
  const error = await ntpClock({ servers: "none" }).catch((error) => error);
  const noAddress = await connect(ann, "nobody").catch((error) => error);
  const ok =
    noAddress instanceof InvalidInputError &&
    bytes === 5 &&
    bundled.updated !== undefined &&
    (await AppPacket.unpack(new Uint8Array(200))) === null &&
    error instanceof InvalidInputError;
  console.log(`packed, CommonJS: ${ok ? "works" : "FAILS"}`);
  process.exitCode = ok ? 0 : 1;
}

main();
