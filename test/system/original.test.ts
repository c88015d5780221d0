import { describe, expect, it, vi } from "vitest";
import type { BrokerRate, Receipt } from "../../src/index.js";
import { startBroker, withPython } from "../support/needs.js";
import { Original } from "../support/original.js";
import { startPeer, untilBrokers, use } from "../support/peers.js";
import type { PythonPeer } from "../support/python.js";

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** How many messages at once, over how many brokers, of what rate. */
type Crowd = readonly [messages: number, brokers: number, rate?: BrokerRate];

/** Sends to one that acknowledges on a tick of half a second, and forgets what it owes for messages before others. */
function sendingTo(start: () => Promise<Original | PythonPeer>, crowds: readonly Crowd[]): void {
  /** A router on all of the brokers, and a peer on the last three: it keeps those that answered first. */
  async function meet(brokerCount: number, rate?: BrokerRate) {
    const brokers = await Promise.all(
      upTo(brokerCount).map(async (i) => use(await startBroker(`127.16.1.${i + 1}`))),
    );
    const pool = Object.fromEntries(brokers.map(({ host, port }) => [host, { port, ...(rate && { rate }) }]));
    const router = await startPeer({ IPv4: pool });
    const peer = use(await start());
    await untilBrokers(
      router,
      () => router.stats().brokers.filter(({ state }) => state === "open").length === brokerCount,
    );
    return { router, peer, listen: () => peer.listen(brokers.slice(-3)) };
  }

  const shownBy = ({ messages }: Original | PythonPeer): string[] =>
    messages.map(({ data }) => Buffer.from(data).toString());

  it.for(crowds)(
    "brings %i messages at once, over %i brokers, and an ACK for each within 4 s",
    async ([count, brokers, rate]) => {
      const { router, peer, listen } = await meet(brokers, rate);
      await listen();
      const pipe = await router.pipe(peer.address);
      const texts = upTo(count).map((i) => `message ${i}`);
      const sent = await Promise.all(texts.map((text) => pipe.send(text)));
      expect(sent).toEqual(texts.map(({ length }) => length));
      expect(shownBy(peer).toSorted()).toEqual(texts.toSorted());
    },
  );

  it("brings a steady stream, each message published once after the first ones", {
    timeout: 30_000,
  }, async () => {
    const { router, peer, listen } = await meet(1);
    await listen();
    const pipe = await router.pipe(peer.address);
    const sending: Promise<Receipt>[] = [];
    // For five ticks, long enough for the last ones to be known from the first.
    for (const i of upTo(60)) {
      sending.push(pipe.deliver(`message ${i}`));
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    const receipts = await Promise.all(sending);
    expect(receipts.slice(30).map(({ attempts }) => attempts)).toEqual(upTo(30).map(() => 1));
    expect(shownBy(peer).toSorted()).toEqual(
      upTo(60)
        .map((i) => `message ${i}`)
        .toSorted(),
    );
  });

  it("brings everything that waits for it when it comes, and an ACK for each", {
    timeout: 30_000,
  }, async () => {
    const { router, peer, listen } = await meet(3);
    const pipe = await router.pipe(peer.address);
    const texts = upTo(60).map((i) => `message ${i}`);
    const sending = Promise.all(texts.map((text) => pipe.send(text, { timeoutMs: 20_000 })));
    // Every one has been published, many of them twice: for more than two seconds nobody was there.
    const published = (): boolean => router.stats().brokers.every(({ sent }) => sent > 1.5 * texts.length);
    await vi.waitUntil(published, { timeout: 10_000 });
    await listen();
    expect(await sending).toEqual(texts.map(({ length }) => length));
    expect(shownBy(peer).toSorted()).toEqual(texts.toSorted());
  });
}

describe("to who acknowledges as the Python original does", () =>
  sendingTo(
    () => Original.start(),
    [
      [10, 1],
      [60, 1],
      [60, 3],
      [60, 9],
      // What the bundled pool allows.
      [60, 3, { perSecond: 10, burst: 40 }],
    ],
  ));

// Whether it does is seen by fewer.
withPython("to a Python peer", (python) => sendingTo(() => python.startPeer(), [[60, 3]]));
