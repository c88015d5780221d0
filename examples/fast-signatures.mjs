import { Keypair, Router } from "sidewire";
import { libsecp256k1 } from "sidewire/libsecp256k1";

const keys = await libsecp256k1(Keypair.generate());
const router = new Router(keys, { getTime: Date.now, encrypt: true, verify: keys.verify });
await router.start();
await router.close();
