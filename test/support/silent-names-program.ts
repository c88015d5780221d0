/** A router whose brokers are names, in a process whose only name server is given as a message; another one ends it. */
import dns from "node:dns";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";

const [server] = await once(process, "message");
const { promises } = dns;
promises.Resolver = class extends promises.Resolver {
  constructor(options?: ConstructorParameters<typeof promises.Resolver>[0]) {
    super(options);
    this.setServers([server]);
  }
};
syncBuiltinESMExports();

const { Keypair, Router } = await import("../../src/index.js");
// More than there are threads in the pool.
const names = Array.from({ length: 8 }, (_, i) => [`broker-${i}.example`, { port: 1883 }]);
const router = new Router(Keypair.generate(), {
  getTime: Date.now,
  brokers: { IPv4: Object.fromEntries(names) },
  families: ["IPv4"],
});
const starting = router.start().catch(() => {});
await once(process, "message");
await readFile(import.meta.filename);
await router.close();
await starting;
process.send?.(Date.now());
process.disconnect();
