import { Keypair, Router } from "sidewire";
import { ntpClock } from "sidewire/node";

const clock = await ntpClock();
console.log(`the system's clock is ${clock.offsetMs.toFixed(0)} ms behind`);
const router = new Router(Keypair.generate(), { getTime: clock.now, encrypt: true });
await router.start();
await router.close();
clock.close();
