import { describe, expect, it } from "vitest";
import { Keypair, Router, rankBrokers } from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { poolOf, record, use } from "../support/peers.js";

/** Each peer leaves by an address of its own, so that a broker can tell who may reach it. */
const SENDER = "127.0.1.1";
const RECEIVER = "127.0.1.2";
const COUNT = 11;

type Reach = (rank: number) => { sender: boolean; receiver: boolean };

/** Starts 11 brokers of which each peer reaches a part, by rank for the receiver, and sends one message. */
async function deliverAcross(
  reach: Reach,
): Promise<{ texts: string[]; bytes: number; by: string | undefined; ranked: string[] }> {
  const keys = { sender: Keypair.generate(), receiver: Keypair.generate() };
  // Brokers have to be running to have a place in the ranking, which has to be known to say who gets through.
  let ranked: string[] = [];
  const brokers = await Promise.all(
    Array.from({ length: COUNT }, async (_, i) => {
      const host = `127.0.0.${i + 1}`;
      const allow = (from: string): boolean => {
        const { sender, receiver } = reach(ranked.indexOf(host));
        return from === SENDER ? sender : receiver;
      };
      return use(await startEmbeddedBroker(host, 0, { allow }));
    }),
  );
  const pool = poolOf(brokers);
  ranked = rankBrokers(keys.receiver.publicKeyHex, pool).IPv4.map(({ host }) => host);

  const options = { getTime: Date.now, brokers: pool, families: ["IPv4"] as const };
  const sender = use(new Router(keys.sender, { ...options, nic: SENDER }));
  const receiver = use(new Router(keys.receiver, { ...options, nic: RECEIVER }));
  const shown = record(receiver);
  await Promise.all([sender.start(), receiver.start()]);
  const pipe = await sender.pipe(receiver.address);
  const receipt = await pipe.deliver("found you");
  return {
    texts: shown.map((message) => message.text()),
    bytes: receipt.bytes,
    by: receipt.broker.host,
    ranked,
  };
}

describe("two peers with one broker in common, out of 11", () => {
  for (let common = 0; common < COUNT; common++) {
    it(`meet at rank ${common + 1} when each reaches every other one besides`, async () => {
      const { texts, bytes, by, ranked } = await deliverAcross((rank) => ({
        sender: rank === common || rank % 2 === 0,
        receiver: rank === common || rank % 2 === 1,
      }));
      expect({ texts, bytes, by }).toEqual({ texts: ["found you"], bytes: 9, by: ranked[common] });
    });

    it(`meet at rank ${common + 1} when the receiver reaches all that rank better, the sender all that rank worse`, async () => {
      const { texts, bytes, by, ranked } = await deliverAcross((rank) => ({
        sender: rank >= common,
        receiver: rank <= common,
      }));
      expect({ texts, bytes, by }).toEqual({ texts: ["found you"], bytes: 9, by: ranked[common] });
    });
  }

  it("meet when each reaches nothing else at all", async () => {
    const { texts } = await deliverAcross((rank) => ({ sender: rank === 10, receiver: rank === 10 }));
    expect(texts).toEqual(["found you"]);
  });
});
