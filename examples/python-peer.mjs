import { Keypair, Router } from "sidewire";

// The key of the Python peer. In Python: print(signing.private_key.to_string().hex())
const secret = process.env.PYTHON_PEER_KEY;
const keys = secret === undefined ? Keypair.generate() : Keypair.fromSecretKey(secret);
const router = new Router(keys, {
  getTime: Date.now,
  inboundBrokers: 10, // a Python sender without hints then always finds this router
  onMessage: (message) => console.log(message.from, message.text()),
});
await router.start();
await router.close();
