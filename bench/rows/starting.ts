import type { Mosquitto } from "../mosquitto.js";
import type { Process } from "../processes.js";
import { atMost, type Row, timesOf } from "../report.js";
import { interleaved, ratioOf } from "../statistics.js";
import { placeOf } from "./pair.js";

const ROUNDS = 12;
const BLOCK = 5;

/** The first inbound subscription, against a bare client's. */
export async function startingRows(starter: Process, brokers: readonly Mosquitto[]): Promise<Row[]> {
  const places = brokers.map(placeOf);
  const [first] = places;
  if (first === undefined) throw new Error("a broker is needed");
  const { bare, cold, warm } = await interleaved(ROUNDS, {
    bare: () => starter.call("startBare", BLOCK, first),
    cold: () => starter.call("startRouter", BLOCK, places, false),
    warm: () => starter.call("startRouter", BLOCK, places, true),
  });
  const against = `bare connect and subscribe: ${timesOf(bare)}`;
  return [
    {
      what: `first inbound subscription of ${places.length}, cold`,
      measured: timesOf(cold),
      against,
      ...atMost(1.5, ratioOf(cold, bare)),
    },
    {
      what: `first inbound subscription of ${places.length}, kept hints`,
      measured: timesOf(warm),
      against,
      ...atMost(1.5, ratioOf(warm, bare)),
    },
  ];
}
