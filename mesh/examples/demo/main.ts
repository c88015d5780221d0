/**
 * Shows what sidewire-mesh does, in a network of its own: two hosts behind NATs that know each other's public key get a
 * direct tunnel, and keep it when one of them moves. With the argument `five`, five hosts become a network by a token: one
 * relays for two, one is removed, and all brokers die. Exits with 0 only when all of it held.
 */
import { constants } from "node:os";
import { paint, say } from "../../../examples/demo/screen.js";
import { missing } from "../../lab/missing.js";
import { setNetworkStage } from "./network-stage.js";
import { tellOfNetwork } from "./network-story.js";
import { setStage } from "./stage.js";
import { tell } from "./story.js";

const [what = "two", ...more] = process.argv.slice(2);
const lacks = missing();
let interruption: number | undefined;
const interrupted = new Promise<undefined>((resolve) => {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
    process.once(signal, () => {
      interruption = 128 + constants.signals[signal];
      resolve(undefined);
    });
});

if (!["two", "five"].includes(what) || more.length > 0) {
  console.error(
    "npm run demo:mesh shows two hosts, npm run demo:mesh -- five shows five, and nothing else is known.",
  );
  process.exitCode = 2;
} else if (lacks !== undefined) {
  console.error(`npm run demo:mesh builds a network of its own, which it cannot do here: ${lacks}.`);
  process.exitCode = 1;
} else {
  const startedAt = performance.now();
  const problems = await play().catch((error: Error) => [error.message]);
  if (interruption === undefined) verdict(problems, performance.now() - startedAt);
  // Not what is still waited for: with the network it is gone.
  process.exit(interruption ?? (problems.length === 0 ? 0 : 1));
}

/** Returns what did not hold. */
async function play(): Promise<readonly string[]> {
  say(`${paint("bold", "sidewire-mesh")}: a direct WireGuard tunnel from each other's public key alone`);
  return what === "five" ? await act(setNetworkStage, tellOfNetwork) : await act(setStage, tell);
}

/** Builds a network, tells of it, and takes it down. */
async function act<Built extends AsyncDisposable>(
  set: () => Promise<Built>,
  tellOf: (stage: Built) => Promise<string[]>,
): Promise<readonly string[]> {
  // Built to its end in any case: half a network is not found by those who take it down.
  await using stage = await set();
  if (interruption !== undefined) return [];
  return (await Promise.race([tellOf(stage), interrupted])) ?? [];
}

function verdict(problems: readonly string[], ms: number): void {
  say();
  const seconds = (ms / 1000).toFixed(1);
  if (problems.length === 0)
    say(paint("green", `✓ All of it held, nothing leaked, every host is as before; ${seconds} s in all.`));
  for (const problem of problems) say(paint("red", `✗ ${problem}`));
  if (what === "two")
    say(
      paint("dim", "  npm run demo:mesh -- five shows a network of five: relay, removal, and no broker left"),
    );
}
