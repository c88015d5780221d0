import type { Mosquitto } from "../mosquitto.js";
import { Process } from "../processes.js";
import { atMost, kiB, ms, type Row, timesOf } from "../report.js";
import { ratioOf } from "../statistics.js";
import { grown } from "./memory.js";
import { type Pair, placeOf } from "./pair.js";

const ADDRESSES = 50;
const ROUNDS = 12;

const MAX_KIB = 25;

/** What one more address costs on the connections of a router, and whether the last is as fast as the first. */
export async function addressRows(
  { sender, receiver }: Pair,
  brokers: readonly Mosquitto[],
  flags: readonly string[],
): Promise<Row[]> {
  const places = brokers.map(placeOf);
  const to = await receiver.call("listen", "addresses", { brokers: places });
  const first: number[][] = [];
  const last: number[][] = [];
  const starts: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    await sender.call("startHome", places);
    const start = await sender.call("startOver", ADDRESSES, places.length);
    const measure = async (nth: number): Promise<number[]> => [await sender.call("sendFirst", nth, to)];
    // What pays for the first message of a round is neither of them.
    await measure(2);
    const order = round % 2 === 0 ? [1, ADDRESSES] : [ADDRESSES, 1];
    const took = new Map<number, number[]>();
    for (const nth of order) took.set(nth, await measure(nth));
    if (round >= 0) {
      first.push(took.get(1) ?? []);
      last.push(took.get(ADDRESSES) ?? []);
      starts.push(start);
    }
    await sender.call("closeHome");
  }
  const { memory, sessions } = await memoryOf(places, flags);
  const kib = memory / 1024;
  return [
    {
      what: `first message of the ${ADDRESSES}th address over one router`,
      measured: timesOf(last),
      against: `of the first: ${timesOf(first)}`,
      ...atMost(1.25, ratioOf(last, first)),
    },
    {
      what: `${ADDRESSES} addresses at once over one router, until all listen on ${places.length} brokers`,
      measured: timesOf([starts]),
      against: "–",
      result: `${ms(Math.max(...starts))} ms`,
      bar: "reported",
    },
    {
      what: `sessions of ${ADDRESSES} addresses over one router, pool of ${places.length}`,
      measured: String(sessions),
      against: "–",
      result: String(sessions),
      bar: `≤ ${places.length}`,
      met: sessions <= places.length,
    },
    {
      what: `memory per address over one router, of ${ADDRESSES} more, pool of ${places.length}`,
      measured: kiB(memory),
      against: "–",
      result: kiB(memory),
      bar: `≤ ${MAX_KIB} KiB`,
      met: kib <= MAX_KIB,
    },
  ];
}

async function memoryOf(
  places: readonly ReturnType<typeof placeOf>[],
  flags: readonly string[],
): Promise<{ memory: number; sessions: number }> {
  const process = new Process(["--expose-gc", ...flags]);
  try {
    await process.call("startHome", places);
    // As many before the first look, so that code is compiled and tables have grown.
    await process.call("startOver", ADDRESSES, places.length);
    const memory = await grown(process, () => process.call("startOver", ADDRESSES, places.length), ADDRESSES);
    return { memory, sessions: await process.call("connections") };
  } finally {
    await process.close();
  }
}
