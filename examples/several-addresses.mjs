import { Keypair, Router } from "sidewire";

const options = { getTime: Date.now, encrypt: true };
const home = new Router(Keypair.generate(), options);
// One address for each acquaintance: the two topics do not show that both belong to one person.
const forAnn = new Router(Keypair.generate(), { ...options, over: home });
const forBen = new Router(Keypair.generate(), { ...options, over: home });
await Promise.all([home.start(), forAnn.start(), forBen.start()]);

forAnn.addMessageHandler((message) => console.log(`for Ann: ${message.text()}`));
const pipe = await forBen.pipe(forAnn.address);
await pipe.deliver("two addresses of one program can reach each other, too");

await home.close(); // closes forAnn and forBen first
