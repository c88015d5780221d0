/**
 * Brokers of one's own: reads a pool from a JSON file, shows where a peer is to be found in it, and
 * sends it a message there.
 *
 *     npx tsx examples/custom-pool.ts examples/local-brokers.json
 */
import { readFile } from "node:fs/promises";
import { type BrokerPool, defaultBrokers, Keypair, parseBrokerPool, Router, rankBrokers } from "sidewire";

try {
  await meet(await readPool(process.argv[2] ?? process.env.SIDEWIRE_BROKERS));
} catch (error) {
  // A bad entry is an InvalidInputError that says which one; no broker, a NoBrokerError with every reason.
  console.error(String(error));
  process.exitCode = 1;
}

async function readPool(file: string | undefined): Promise<BrokerPool> {
  return file ? parseBrokerPool(await readFile(file, "utf8")) : defaultBrokers;
}

async function meet(brokers: BrokerPool): Promise<void> {
  await using alice = new Router(Keypair.generate(), { getTime: Date.now, brokers });
  await using bob = new Router(Keypair.generate(), { getTime: Date.now, brokers });
  bob.addMessageHandler((message) => console.log(`Bob got "${message.text()}" by ${message.broker.host}`));

  // Anybody who has the same pool and Bob's address computes this order, hence knows where to find him.
  const { IPv4, IPv6 } = rankBrokers(bob.address, brokers);
  for (const { family, host, score } of [...IPv4, ...IPv6]) {
    console.log(`${family} ${host} has the score ${score.toFixed(3)} for Bob`);
  }

  await Promise.all([alice.start(), bob.start()]);
  const pipe = await alice.pipe(bob.address);
  const { broker, roundTripMs } = await pipe.deliver("Hello Bob");
  console.log(`Alice's message was acknowledged by ${broker.host} in ${roundTripMs.toFixed(1)} ms`);
}
