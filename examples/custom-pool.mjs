/**
 * Brokers of your own. The program reads a pool from a JSON file, shows where a peer is found in this pool, and sends
 * the peer a message.
 *
 *     npx sidewire broker                                       in another terminal
 *     node examples/custom-pool.mjs examples/local-brokers.json
 */
import { readFile } from "node:fs/promises";
import { defaultBrokers, Keypair, parseBrokerPool, Router, rankBrokers } from "sidewire";

try {
  await meet(await readPool(process.argv[2] ?? process.env.SIDEWIRE_BROKERS));
} catch (error) {
  // A wrong entry gives an InvalidInputError that names the entry. NoBrokerError lists the reason of every broker.
  console.error(String(error));
  process.exitCode = 1;
}

/** @param {string | undefined} file */
async function readPool(file) {
  return file ? parseBrokerPool(await readFile(file, "utf8")) : defaultBrokers;
}

/** @param {import("sidewire").BrokerPool} brokers */
async function meet(brokers) {
  const options = { getTime: Date.now, encrypt: true, brokers };
  const ann = new Router(Keypair.generate(), options);
  const ben = new Router(Keypair.generate(), options);
  ben.addMessageHandler((message) => console.log(`Ben got "${message.text()}" by ${message.broker.host}`));

  // Everybody who has this pool and Ben's address computes the same order, and so knows where to find Ben.
  const { IPv4, IPv6 } = rankBrokers(ben.address, brokers);
  for (const { family, host, score } of [...IPv4, ...IPv6]) {
    console.log(`${family} ${host} has the score ${score.toFixed(3)} for Ben`);
  }

  try {
    await Promise.all([ann.start(), ben.start()]);
    const pipe = await ann.pipe(ben.address);
    const { broker, roundTripMs } = await pipe.deliver("Hello Ben");
    console.log(`Ann's message was acknowledged by ${broker.host} in ${roundTripMs.toFixed(1)} ms`);
  } finally {
    await Promise.all([ann.close(), ben.close()]);
  }
}
