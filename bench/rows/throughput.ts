import type { Mosquitto } from "../mosquitto.js";
import { atLeast, type Row } from "../report.js";
import { interleaved, median, ratioOf } from "../statistics.js";
import type { Crypto } from "../tasks/signatures.js";
import { connect, MESSAGE_BYTES, type Pair, SIGNED } from "./pair.js";

const ROUNDS = 12;
const COUNT: Readonly<Record<Crypto, number>> = { "built-in": 400, libsecp256k1: 800 };
const IN_FLIGHT = 64;

/** Messages per second with many in flight, against what OpenSSL's signatures alone would allow. */
export async function throughputRows(pair: Pair, broker: Mosquitto): Promise<Row[]> {
  const what = `messages per second, ${IN_FLIGHT} in flight`;
  const builtIn = await measure(pair, broker, "built-in");
  const fast = await measure(pair, broker, "libsecp256k1");
  return [
    {
      what,
      measured: perSecond(builtIn.messages),
      against: `OpenSSL's signatures alone: ${perSecond(builtIn.signatures)}`,
      ...atLeast(0.7, ratioOf(builtIn.messages, builtIn.signatures)),
    },
    {
      what: `${what}, libsecp256k1`,
      measured: perSecond(fast.messages),
      against: `OpenSSL's signatures alone: ${perSecond(fast.signatures)}`,
      ...atLeast(1.8, ratioOf(fast.messages, fast.signatures)),
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
      const sign = [sender, receiver].map((side) => side.call("signMany", count, SIGNED, "built-in"));
      return [(count / Math.max(...(await Promise.all(sign)))) * 1000];
    },
  });
}

function perSecond(rates: readonly (readonly number[])[]): string {
  return `${median(rates.flat()).toFixed(0)} /s`;
}
