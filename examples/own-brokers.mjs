import { readFile } from "node:fs/promises";
import { Keypair, parseBrokerPool, Router } from "sidewire";

const brokers = parseBrokerPool(await readFile("brokers.json", "utf8"));
const router = new Router(Keypair.generate(), { getTime: Date.now, encrypt: true, brokers });
await router.start();
console.log(`${router.address} listens on`, router.hints());
await router.close();
