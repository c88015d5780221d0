import { setMaxListeners } from "node:events";
import { loseBrokers } from "./breakdown.js";
import { talk } from "./conversation.js";
import { type Count, problemsOf } from "./ledger.js";
import { comeAgain } from "./replay.js";
import { cell, ordinal, paint, reasonOf, say, short, showCounts, title } from "./screen.js";
import { hostsOf, INBOUND, type Stage, setStage } from "./stage.js";

/** Nothing here takes that long, unless something is wrong. */
const DEADLINE_MS = 12_000;

/** The demo with brokers of its own. Returns what went wrong: nothing, if all went well. */
export async function localStory(): Promise<string[]> {
  const signal = AbortSignal.timeout(DEADLINE_MS);
  // Every message on its way listens to it: many, and no leak.
  setMaxListeners(0, signal);
  const startedAt = performance.now();
  const problems: string[] = [];
  const counts = await play(await setStage(signal), signal, problems);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  title("5  The count", `after ${seconds} s, when both have left`);
  showCounts(counts);
  return [...problems, ...problemsOf(counts)];
}

async function play(stage: Stage, signal: AbortSignal, problems: string[]): Promise<Count[]> {
  try {
    showRankings(stage);
    title("2  Messages", "published on the receiver's brokers; the first ACK wins");
    await talk(stage, signal);
    const losses = await loseBrokers(stage, signal);
    problems.push(...(await comeAgain(stage, losses, signal)));
  } catch (error) {
    // The count tells what it came to.
    problems.push(reasonOf(error));
  } finally {
    await stage[Symbol.asyncDispose]();
  }
  return [stage.annSays.count(), stage.benSays.count()];
}

/** Every broker's place for each peer, and where they listen. */
function showRankings({ ann, ben, brokers, ofAnn, ofBen }: Stage): void {
  title("1  Who listens where", "whoever knows an address computes the same places and scores");
  const names = [`Ann ${short(ann.address)}`, `Ben ${short(ben.address)}`];
  say(paint("dim", `  ${cell("broker", 12)}${names.map((name) => cell(name, 26)).join("")}`.trimEnd()));
  const peers = [
    { ranking: ofAnn, listening: hostsOf(ann) },
    { ranking: ofBen, listening: hostsOf(ben) },
  ];
  for (const broker of brokers) {
    const cells = peers.map(({ ranking, listening }) => {
      const i = ranking.findIndex((ranked) => ranked.broker === broker);
      const place = cell(ordinal(i + 1), 5, i < INBOUND ? "bold" : "dim");
      const score = cell(ranking[i]?.score.toFixed(3) ?? "", 8, i < INBOUND ? undefined : "dim");
      const listens = listening.includes(broker.host) ? cell("● listens", 13, "green") : cell("", 13);
      return place + score + listens;
    });
    say(`  ${cell(broker.host, 12)}${cells.join("").trimEnd()}`);
  }
}
