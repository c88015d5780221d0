import type { Process } from "../processes.js";
import { atMost, type Row, timesOf } from "../report.js";
import { interleaved, ratioOf } from "../statistics.js";

const ROUNDS = 20;
const BLOCK = 50;

/** Ranking, against hashing alone. */
export async function rankingRows(ranker: Process): Promise<Row[]> {
  const { ranking, hashing } = await interleaved(ROUNDS, {
    ranking: () => ranker.call("rank", BLOCK),
    hashing: () => ranker.call("hashAlone", BLOCK),
  });
  return [
    {
      what: `rank 1 000 brokers, each of ${ROUNDS * BLOCK} destinations`,
      measured: timesOf(ranking),
      against: `hashing alone: ${timesOf(hashing)}`,
      ...atMost(1.5, ratioOf(ranking, hashing)),
    },
  ];
}
