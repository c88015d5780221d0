/** `npm run lab -- NAME`: keeps one of the example labs up until Ctrl-C. */
import { EXAMPLES } from "./examples.js";
import { startLab } from "./lab.js";
import { missing } from "./missing.js";
import { picture } from "./picture.js";

const [name = ""] = process.argv.slice(2);
const example = Object.hasOwn(EXAMPLES, name) ? EXAMPLES[name] : undefined;
const lacks = missing();

if (example === undefined) {
  const width = Math.max(...Object.keys(EXAMPLES).map((other) => other.length));
  const lines = Object.entries(EXAMPLES).map(([other, { about }]) => `  ${other.padEnd(width)}  ${about}`);
  console.error(["npm run lab -- NAME, where NAME is one of", ...lines].join("\n"));
  process.exitCode = 2;
} else if (lacks !== undefined) {
  console.error(`The lab cannot be built here: ${lacks}.`);
  process.exitCode = 2;
} else {
  await using lab = await startLab(example);
  const ended = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.once(signal, () => resolve());
  });
  console.log(`${name}: ${example.about}\n\n${picture(example, lab)}\n`);
  for (const node of [...Object.keys(example.hosts), ...Object.keys(example.nats ?? {})])
    console.log(`ip netns exec ${lab.namespaceOf(node)} bash`);
  console.log(`\nbrokers: ${lab.brokersFile}\nCtrl-C ends it.`);
  // A promise alone keeps no process.
  const hold = setInterval(() => {}, 1 << 30);
  await ended;
  clearInterval(hold);
}
