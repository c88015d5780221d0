import type { Mosquitto } from "../mosquitto.js";
import type { Process } from "../processes.js";
import { atMost, type Row, timesOf } from "../report.js";
import { ratioOf } from "../statistics.js";
import type { Starts } from "../tasks/starting.js";
import { placeOf } from "./pair.js";

const ROUNDS = 12;
const BLOCK = 8;

/** The first inbound subscription, against a bare client's. */
export async function startingRows(starter: Process, brokers: readonly Mosquitto[]): Promise<Row[]> {
  const places = brokers.map(placeOf);
  await starter.call("start", BLOCK, places);
  const rounds: Starts[] = [];
  for (let round = 0; round < ROUNDS; round++) rounds.push(await starter.call("start", BLOCK, places));
  const bare = rounds.map((starts) => starts.bare);
  const row = (what: string, bar: number, starts: number[][]): Row => ({
    what: `first inbound subscription of ${places.length}, ${what}`,
    measured: timesOf(starts),
    against: `bare connect and subscribe: ${timesOf(bare)}`,
    ...atMost(bar, ratioOf(starts, bare)),
  });
  return [
    row(
      "cold",
      1.5,
      rounds.map(({ cold }) => cold),
    ),
    row(
      "kept hints",
      1.3,
      rounds.map(({ warm }) => warm),
    ),
  ];
}
