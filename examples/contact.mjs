import { Keypair, Router } from "sidewire";

const ann = new Router(Keypair.generate(), { getTime: Date.now });
const ben = new Router(Keypair.generate(), { getTime: Date.now });
await Promise.all([ann.start(), ben.start()]);

const [toBen, toAnn] = await Promise.all([ann.contact(ben.address), ben.contact(ann.address)]);
toAnn.addMessageHandler((message) => console.log(`Ann says: ${message.text()}`));
await toBen.deliver("hello"); // sealed, from the address that Ann has for Ben alone

await Promise.all([ann.close(), ben.close()]);
