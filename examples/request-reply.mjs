/** Questions and answers. Ben answers everybody who asks, and needs to know nobody's address for that. */
import { readFileSync } from "node:fs";
import { defaultBrokers, Keypair, parseBrokerPool, Router } from "sidewire";

const file = process.argv[2] ?? process.env.SIDEWIRE_BROKERS;
const brokers = file ? parseBrokerPool(readFileSync(file, "utf8")) : defaultBrokers;

const answers = new Map([
  ["Who are you?", "I am Ben."],
  ["Where do I find you?", "At my key's address, on any of these brokers."],
]);
const ben = new Router(Keypair.generate(), {
  getTime: Date.now,
  encrypt: true,
  brokers,
  // The reply goes to the address that signed the question.
  onMessage: (question) => question.reply(`${question.text()} ${answers.get(question.text()) ?? "No idea."}`),
});
const ann = new Router(Keypair.generate(), {
  getTime: Date.now,
  encrypt: true,
  brokers,
  accept: (from) => from === ben.address,
});
await Promise.all([ben.start(), ann.start()]);

const questions = [...answers.keys(), "What time is it?"];
const pipe = await ann.pipe(ben.address);
for (const question of questions) await pipe.deliver(question);

// An acknowledged question has arrived at Ben. Ben's answers are messages like all others.
let missing = questions.length;
for await (const answer of ann.messages({ signal: AbortSignal.timeout(5000) })) {
  console.log(answer.text());
  if (--missing === 0) break;
}
if (missing > 0) console.error(`${missing} answers did not come in time`);
process.exitCode = missing === 0 ? 0 : 1;
await Promise.all([ann.close(), ben.close()]);
