import { describe, expect, it } from "vitest";
import { type EmbeddedBroker, startEmbeddedBroker } from "../support/embedded-broker.js";
import { hasMosquitto, type Mosquitto, startMosquitto } from "../support/mosquitto.js";
import { Original } from "../support/original.js";
import { poolOf, startPeer, untilBrokers, use } from "../support/peers.js";
import { hasPythonPeer, PythonPeer } from "../support/python.js";

type Start = (host: string) => Promise<(EmbeddedBroker | Mosquitto) & AsyncDisposable>;

const kinds = [
  { name: "a twin of it", start: Original.start, startBroker: startEmbeddedBroker as Start, isThere: true },
  {
    name: "a Python peer",
    start: () => PythonPeer.start(),
    startBroker: startMosquitto as Start,
    isThere: hasMosquitto && hasPythonPeer,
  },
];

/** As many in any order, each once. */
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

for (const { name, start, startBroker, isThere } of kinds) {
  describe.skipIf(!isThere)(`who acknowledges as the Python original does: ${name}`, () => {
    async function meet(subnet: string, brokerCount: number) {
      const brokers = await Promise.all(
        upTo(brokerCount).map(async (i) => use(await startBroker(`${subnet}.${i + 1}`))),
      );
      const router = await startPeer(poolOf(brokers));
      const peer = use(await start());
      // It keeps the three that answered first.
      await peer.listen(brokers.slice(-3));
      await untilBrokers(router, () => router.hints().length === Math.min(3, brokerCount));
      return { router, peer, brokers };
    }

    const shownBy = (peer: { messages: readonly object[] }): string[] =>
      peer.messages.map((shown) => {
        // A packet of ours, or what Python tells.
        const { data, message } = shown as { data?: Uint8Array; message?: Uint8Array };
        return Buffer.from(data ?? message ?? []).toString();
      });

    it.each([
      [10, 1],
      [60, 1],
      [60, 3],
      [60, 9],
    ])("acknowledges %i messages sent at once over %i brokers, within 4 s", async (count, brokerCount) => {
      const { router, peer } = await meet("127.16.1", brokerCount);
      const pipe = await router.pipe(peer.address);
      const sent = await Promise.all(upTo(count).map((i) => pipe.send(`message ${i}`)));
      expect(sent.filter((bytes) => bytes === 0)).toEqual([]);
      expect(shownBy(peer).toSorted()).toEqual(
        upTo(count)
          .map((i) => `message ${i}`)
          .toSorted(),
      );
    });
  });
}
