import { Keypair, Router } from "sidewire";

const router = new Router(Keypair.generate(), { getTime: Date.now, encrypt: true });
router.on("broker", ({ broker, state, error }) => console.log(broker.host, state, error?.message ?? ""));
router.on("dropped", ({ reason, from }) => console.log("dropped:", reason, from ?? ""));
router.on("skew", ({ from, offsetMs }) => console.log(`the clock of ${from} is ${offsetMs / 1000} s ahead`));
await router.start();
console.table(router.stats().brokers);
await router.close();
