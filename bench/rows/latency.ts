import { randomBytes } from "node:crypto";
import type { Mosquitto } from "../mosquitto.js";
import { atMost, type Row, timesOf } from "../report.js";
import { interleaved, ratioOf } from "../statistics.js";
import { connect, MESSAGE_BYTES, PACKETS, type Pair, placeOf, SIGNED } from "./pair.js";

const ROUNDS = 20;
const BLOCK = 30;

/**
 * Send to ACK, one at a time: against the floor, with more brokers in the fan-out, and with brokers that fail.
 * @param brokers - nine: six that work, one that will freeze, one that will die, one that works
 */
export async function latencyRows(pair: Pair, brokers: readonly Mosquitto[]): Promise<Row[]> {
  const { sender, receiver } = pair;
  const healthy = brokers.slice(0, 6);
  const [first] = healthy;
  const [frozen, dead, alive] = brokers.slice(6);
  if (first === undefined || frozen === undefined || dead === undefined || alive === undefined)
    throw new Error("nine brokers are needed");

  // Topics as long as addresses, on which no router listens.
  const [own, other] = [randomBytes(33).toString("hex"), randomBytes(33).toString("hex")];
  await receiver.call("answerBare", placeOf(first), { own: other, other: own, bytes: PACKETS.ack });
  await sender.call("dialBare", placeOf(first), own);
  await connect(pair, "of 1", [first]);
  await connect(pair, "of 1, libsecp256k1", [first], { crypto: "libsecp256k1" });
  await connect(pair, "of 3", healthy.slice(0, 3));
  await connect(pair, "of 6", healthy);
  await connect(pair, "of 3, failing", [frozen, dead, alive]);
  frozen.freeze();
  await dead.kill();

  const send = (name: string) => (): Promise<number[]> =>
    sender.call("sendOneByOne", name, BLOCK, MESSAGE_BYTES);
  const { floor, one, fast, three, six, failing } = await interleaved(ROUNDS, {
    floor: async () => {
      const roundTrips = await sender.call("bareRoundTrips", BLOCK, other, PACKETS.message);
      const signatures = await sender.call("signOneByOne", BLOCK, SIGNED);
      return roundTrips.map((roundTrip, i) => roundTrip + (signatures[i] ?? Number.NaN));
    },
    one: send("of 1"),
    fast: send("of 1, libsecp256k1"),
    three: send("of 3"),
    six: send("of 6"),
    failing: send("of 3, failing"),
  });
  return [
    {
      what: "send to ACK, one at a time",
      measured: timesOf(one),
      against: `floor: ${timesOf(floor)}`,
      ...atMost(1.3, ratioOf(one, floor)),
    },
    {
      what: "send to ACK, one at a time, libsecp256k1",
      measured: timesOf(fast),
      against: `floor by OpenSSL: ${timesOf(floor)}`,
      ...atMost(0.7, ratioOf(fast, floor)),
    },
    {
      what: "send to ACK, fan-out 3",
      measured: timesOf(three),
      against: `fan-out 1: ${timesOf(one)}`,
      ...atMost(1.3, ratioOf(three, one)),
    },
    {
      what: "send to ACK, fan-out 6",
      measured: timesOf(six),
      against: `fan-out 1: ${timesOf(one)}`,
      ...atMost(1.6, ratioOf(six, one)),
    },
    {
      what: "send to ACK, 1 frozen and 1 dead of 3",
      measured: timesOf(failing),
      against: `3 healthy: ${timesOf(three)}`,
      ...atMost(1.2, ratioOf(failing, three)),
    },
  ];
}
