import { Keypair, Router } from "sidewire";

const options = { getTime: Date.now, encrypt: true }; // encrypt: only the receiver can read the messages
const ben = new Router(Keypair.generate(), options);
const ann = new Router(Keypair.generate(), options);
ben.addMessageHandler((message) => console.log(`Ben got: ${message.text()}`));
await Promise.all([ann.start(), ben.start()]);
const pipe = await ann.pipe(ben.address); // Ben's public key is all that Ann knows about Ben
const receipt = await pipe.deliver("hello"); // fails with NoAckError if Ben does not acknowledge the message
console.log(`Ben acknowledged ${receipt.bytes} bytes, by ${receipt.broker.host}`);
await Promise.all([ann.close(), ben.close()]);
