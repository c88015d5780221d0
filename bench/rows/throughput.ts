import type { Mosquitto } from "../mosquitto.js";
import { atLeast, type Row, reported, times } from "../report.js";
import { interleaved, median, ratioOf } from "../statistics.js";
import type { Crypto } from "../tasks/signatures.js";
import { connect, MESSAGE_BYTES, type Pair, SIGNED } from "./pair.js";

const ROUNDS = 12;
const COUNT: Readonly<Record<Crypto, number>> = { "built-in": 400, native: 800 };
const IN_FLIGHT = 64;

/** Messages per second with many in flight, against what the signatures alone would allow. */
export async function throughputRows(pair: Pair, broker: Mosquitto): Promise<Row[]> {
  const what = `messages per second, ${IN_FLIGHT} in flight`;
  const builtIn = await measure(pair, broker, "built-in");
  const row: Row = {
    what,
    measured: perSecond(builtIn.messages),
    against: `signatures alone: ${perSecond(builtIn.signatures)}`,
    ...atLeast(0.7, ratioOf(builtIn.messages, builtIn.signatures)),
  };
  const nativeWhat = `${what}, native secp256k1`;
  if (!(await pair.sender.call("hasNative")))
    return [row, reported(nativeWhat, "not installed: npm install -D secp256k1")];
  const native = await measure(pair, broker, "native");
  const more = times(median(native.messages.flat()) / median(builtIn.messages.flat()));
  return [
    row,
    {
      ...reported(nativeWhat, perSecond(native.messages)),
      against: `its signatures alone: ${perSecond(native.signatures)}`,
      result: `${times(ratioOf(native.messages, native.signatures))}; ${more} the built-in`,
    },
  ];
}

/** Each round's rates, a list of one. */
interface Rates {
  readonly messages: number[][];
  readonly signatures: number[][];
}

async function measure(pair: Pair, broker: Mosquitto, crypto: Crypto): Promise<Rates> {
  const { sender, receiver } = pair;
  const count = COUNT[crypto];
  await connect(pair, crypto, [broker], { crypto });
  return await interleaved(ROUNDS, {
    messages: async () => [
      (count / (await sender.call("sendMany", crypto, count, IN_FLIGHT, MESSAGE_BYTES))) * 1000,
    ],
    // For a message each side signs once and verifies once.
    signatures: async () => {
      const sign = [sender, receiver].map((side) => side.call("signMany", count, SIGNED, crypto));
      return [(count / Math.max(...(await Promise.all(sign)))) * 1000];
    },
  });
}

function perSecond(rates: readonly (readonly number[])[]): string {
  return `${median(rates.flat()).toFixed(0)} /s`;
}
