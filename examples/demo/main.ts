/**
 * Shows what sidewire does: with brokers of its own in this process, which it also breaks; or over the
 * bundled public pool; or over the pool of a file. Exits with 0 only when nothing was lost and nothing
 * accepted twice.
 */
import { readFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { defaultBrokers, parseBrokerPool } from "sidewire";
import { localStory } from "./local.js";
import { remoteStory } from "./remote.js";
import { paint, reasonOf, say, verdict } from "./screen.js";

const USAGE = "usage: npm run demo [-- --public | --brokers <file>]";

/** How long what is left of a failed run may hold the process up: a name being looked up cannot be stopped. */
const LEFTOVERS_MS = 500;

process.exitCode = await main();
if (process.exitCode !== 0) setTimeout(() => process.exit(), LEFTOVERS_MS).unref();

async function main(): Promise<number> {
  const choice = parse();
  if (choice === undefined) {
    console.error(USAGE);
    return 2;
  }
  say(`${paint("bold", "sidewire")}: two peers that know each other's public key`);
  say("meet on brokers that neither of them runs");
  try {
    return verdict(await play(choice));
  } catch (error) {
    return verdict([reasonOf(error)]);
  }
}

interface Choice {
  readonly public?: boolean;
  readonly brokers?: string;
}

/** Which brokers are wanted; undefined where the arguments are not understood. */
function parse(): Choice | undefined {
  try {
    const { values } = parseArgs({ options: { public: { type: "boolean" }, brokers: { type: "string" } } });
    return Object.keys(values).length > 1 ? undefined : values;
  } catch {
    return undefined;
  }
}

/** Returns what went wrong: nothing, if all went well. */
async function play(choice: Choice): Promise<string[]> {
  if (choice.brokers !== undefined)
    return remoteStory(parseBrokerPool(await readFile(choice.brokers, "utf8")));
  return choice.public ? remoteStory(defaultBrokers) : localStory();
}
