/** Questions and answers: Bob answers whoever asks, and needs nobody's address for it. */
import { readFileSync } from "node:fs";
import { defaultBrokers, Keypair, parseBrokerPool, Router } from "sidewire";

const file = process.argv[2] ?? process.env.SIDEWIRE_BROKERS;
const brokers = file ? parseBrokerPool(readFileSync(file, "utf8")) : defaultBrokers;

const answers = new Map([
  ["Who are you?", "I am Bob."],
  ["Where do I find you?", "At my key's address, on any of these brokers."],
]);
await using bob = new Router(Keypair.generate(), {
  getTime: Date.now,
  brokers,
  // Goes to the address that signed the question, over a pipe that is kept for further replies.
  onMessage: (question) => question.reply(`${question.text()} ${answers.get(question.text()) ?? "No idea."}`),
});
await using alice = new Router(Keypair.generate(), {
  getTime: Date.now,
  brokers,
  accept: (from) => from === bob.address,
});
await Promise.all([bob.start(), alice.start()]);

const questions = [...answers.keys(), "What time is it?"];
const pipe = await alice.pipe(bob.address);
for (const question of questions) await pipe.deliver(question);

// Acknowledged means that Bob has the question. His answers are messages like any other.
let missing = questions.length;
for await (const answer of alice.messages({ signal: AbortSignal.timeout(5000) })) {
  console.log(answer.text());
  if (--missing === 0) break;
}
if (missing > 0) console.error(`${missing} answers did not come in time`);
process.exitCode = missing === 0 ? 0 : 1;
