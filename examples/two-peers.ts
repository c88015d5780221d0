/** The shortest useful program: Alice sends Bob a message, and all she knows of him is his address. */
import { readFileSync } from "node:fs";
import { defaultBrokers, Keypair, parseBrokerPool, Router } from "sidewire";

// The public brokers that come with the package, unless a file names others: see local-brokers.json.
const file = process.argv[2] ?? process.env.SIDEWIRE_BROKERS;
const brokers = file ? parseBrokerPool(readFileSync(file, "utf8")) : defaultBrokers;

const alice = new Router(Keypair.generate(), { getTime: Date.now, brokers });
const bob = new Router(Keypair.generate(), { getTime: Date.now, brokers });
bob.addMessageHandler((message) => console.log(`Bob got "${message.text()}" from ${message.from}`));
await Promise.all([alice.start(), bob.start()]);

const pipe = await alice.pipe(bob.address);
const bytes = await pipe.send("Hello Bob");
console.log(bytes > 0 ? `Alice knows that ${bytes} bytes arrived` : "Bob did not answer");

await Promise.all([alice.close(), bob.close()]);
