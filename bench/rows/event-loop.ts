import type { Mosquitto } from "../mosquitto.js";
import { Process } from "../processes.js";
import { ms, type Row } from "../report.js";
import { median } from "../statistics.js";
import { connect } from "./pair.js";

const PAIRS = 7;
const COUNT = 60;
const MESSAGE_BYTES = 65_536;
const BAR_MS = 5;

/** How long large messages, one at a time, keep the event loops from everything else. */
export async function eventLoopRows(broker: Mosquitto, flags: readonly string[]): Promise<Row[]> {
  return [
    await blocksBy("64 KiB messages", false, broker, flags),
    await blocksBy("sealed 64 KiB messages", true, broker, flags),
  ];
}

/** Each time with new processes: the first message of a process takes the longest. */
async function blocksBy(
  what: string,
  encrypt: boolean,
  broker: Mosquitto,
  flags: readonly string[],
): Promise<Row> {
  const longest: number[] = [];
  for (let i = 0; i < PAIRS; i++) {
    const sender = new Process(flags);
    const receiver = new Process(flags);
    const sides = [sender, receiver];
    try {
      await connect({ sender, receiver }, what, [broker], { encrypt });
      await Promise.all(sides.map((side) => side.call("watchLoop")));
      await sender.call("sendOneByOne", what, COUNT, MESSAGE_BYTES);
      longest.push(Math.max(...(await Promise.all(sides.map((side) => side.call("longestBlock"))))));
    } finally {
      await Promise.all(sides.map((side) => side.close()));
    }
  }
  const result = median(longest);
  return {
    what: `longest block of the event loop by ${what}`,
    measured: `${COUNT} in each of ${PAIRS} new pairs: ${longest.map(ms).join(", ")} ms`,
    against: "–",
    result: `${ms(result)} ms`,
    bar: `≤ ${BAR_MS} ms`,
    met: result <= BAR_MS,
  };
}
