import type { Mosquitto } from "../mosquitto.js";
import { ms, type Row } from "../report.js";
import { interleaved, median } from "../statistics.js";
import { connect, type Pair } from "./pair.js";

const ROUNDS = 10;
const COUNT = 20;
const MESSAGE_BYTES = 65_536;
const BAR_MS = 5;

/** How long large messages, one at a time, keep the event loops from everything else. */
export async function eventLoopRows(pair: Pair, broker: Mosquitto): Promise<Row[]> {
  const sides = [pair.sender, pair.receiver];
  await connect(pair, "large", [broker]);
  await connect(pair, "large, sealed", [broker], { encrypt: true });
  const flow = (name: string) => async (): Promise<number[]> => {
    await Promise.all(sides.map((side) => side.call("watchLoop")));
    await pair.sender.call("sendOneByOne", name, COUNT, MESSAGE_BYTES);
    return [Math.max(...(await Promise.all(sides.map((side) => side.call("longestBlock")))))];
  };
  const { plain, sealed } = await interleaved(ROUNDS, {
    plain: flow("large"),
    sealed: flow("large, sealed"),
  });
  const row = (what: string, rounds: readonly (readonly number[])[]): Row => {
    const blocks = rounds.flat();
    const longest = Math.max(...blocks);
    return {
      what: `longest block of the event loop by ${what}`,
      measured: `median of ${ROUNDS} rounds: ${ms(median(blocks))} ms`,
      against: "–",
      result: `${ms(longest)} ms`,
      bar: `≤ ${BAR_MS} ms`,
      met: longest <= BAR_MS,
    };
  };
  return [row("64 KiB messages", plain), row("64 KiB messages, sealed", sealed)];
}
