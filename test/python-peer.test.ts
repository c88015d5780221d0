import { expect, it } from "vitest";
import type { InboundMessage, Router } from "../src/index.js";
import type { BrokerProcess } from "./support/broker-process.js";
import { type Python, startBroker, withPython } from "./support/needs.js";
import { poolOf, record, startPeer, untilBrokers, use } from "./support/peers.js";
import type { PythonPeer, PythonSent } from "./support/python.js";

const MESSAGES = 50;
/** As many one after the other take half a second each: all kinds of them are among the first 20. */
const ONE_BY_ONE = 20;
const HOSTS = ["127.0.0.1", "127.0.0.2", "127.0.0.3"];

/** Ample: what is measured is whether everything arrives, also on a machine that is busy. */
const TIMEOUT = { timeout: 60_000 };
const PATIENT = { timeoutMs: 30_000 };

/** Half the order of secp256k1: an s above it is a high one. */
const HALF_ORDER = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";

const encoder = new TextEncoder();

/** Empty, short, multi-byte and long in turn; the empty ones are equal, and so each must be shown. */
const texts: readonly Uint8Array[] = Array.from({ length: MESSAGES }, (_, i) =>
  encoder.encode(
    ["", `message ${i}`, `${i} Grüße, здравствуй, 你好, 🛰️`, `${i} `.padEnd(6000, "long ")][i % 4],
  ),
);

/** Every fifth is binary instead, and not UTF-8. */
const bytes: readonly Uint8Array[] = texts.map((text, i) =>
  i % 5 === 0 ? Uint8Array.from({ length: 300 + i }, (_, at) => 255 - at - i) : text,
);

interface Meeting {
  readonly router: Router;
  /** What the router showed. */
  readonly shown: readonly InboundMessage[];
  readonly peer: PythonPeer;
  readonly brokers: readonly BrokerProcess[];
}

/** A router and a Python peer that listen on the same brokers. */
async function meetOver(brokerCount: number, python: Python): Promise<Meeting> {
  const brokers: BrokerProcess[] = [];
  for (const host of HOSTS.slice(0, brokerCount)) brokers.push(use(await startBroker(host)));
  const router = await startPeer(poolOf(brokers));
  const shown = record(router);
  const peer = use(await python.startPeer());
  await peer.listen(brokers);
  await untilBrokers(router, () => router.hints().length === brokerCount);
  return { router, shown, peer, brokers };
}

/** Sends them all; resolves when each copy of each is acknowledged. */
async function sendFromPython(
  { peer, router, brokers }: Meeting,
  messages: readonly Uint8Array[],
  queue: "fresh" | "counted",
): Promise<PythonSent[]> {
  const sent = await Promise.all(
    messages.map((data, i) => peer.send(router.address, data, { queue, qos: i % 2 === 0 ? 0 : 1 })),
  );
  await peer.until(() => sent.every(({ acknowledgedBy }) => acknowledgedBy.size === brokers.length));
  return sent;
}

/** Sends them all, at once or each after the ACK of the one before; resolves when each is acknowledged. */
async function sendFromRouter(
  { peer, router }: Meeting,
  messages: readonly Uint8Array[],
  oneByOne: boolean,
): Promise<void> {
  const pipe = await router.pipe(peer.address);
  const sending: Promise<{ bytes: number }>[] = [];
  for (const message of messages) {
    sending.push(pipe.deliver(message, PATIENT));
    if (oneByOne) await sending.at(-1);
  }
  const receipts = await Promise.all(sending);
  expect(receipts.map((receipt) => receipt.bytes)).toEqual(messages.map(({ length }) => length));
  await peer.until(() => peer.messages.length >= messages.length);
}

/** What the router dropped, apart from the ACKs that came after the first one. */
function droppedBy(router: Router): string[] {
  return Object.keys(router.stats().dropped).filter((reason) => reason !== "unexpected-ack");
}

const hex = (data: Uint8Array): string => Buffer.from(data).toString("hex");
const hexOf = (messages: readonly { readonly data: Uint8Array }[]): string[] =>
  messages.map(({ data }) => hex(data));
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

withPython("a Python peer", (python) => {
  const meet = (brokerCount: number): Promise<Meeting> => meetOver(brokerCount, python);

  /** Over one broker, and over three. */
  const overEach = async (converse: (brokerCount: number) => Promise<void>): Promise<void> => {
    for (const brokerCount of [1, 3]) await converse(brokerCount);
  };

  it("exchanges messages, each in a queue of its own and none waiting", TIMEOUT, () =>
    overEach(async (brokerCount) => {
      const meeting = await meet(brokerCount);
      const { router, shown, peer } = meeting;
      const [sent] = await Promise.all([
        sendFromPython(meeting, texts, "fresh"),
        sendFromRouter(meeting, bytes, false),
      ]);
      await router.close(); // shows whatever it holds

      expect(shown).toHaveLength(MESSAGES);
      const shownBy = new Map(shown.map((message) => [message.queueId, message]));
      expect(hexOf(sent.flatMap(({ queueId }) => shownBy.get(queueId) ?? []))).toEqual(texts.map(hex));
      expect(new Set(shown.map(({ from, sequence }) => `${from} ${sequence}`))).toEqual(
        new Set([`${peer.address} 0`]),
      );

      expect(peer.messages).toHaveLength(MESSAGES);
      expect(hexOf(peer.messages).toSorted()).toEqual(bytes.map(hex).toSorted());
      expect(new Set(peer.messages.map(({ from }) => from))).toEqual(new Set([router.address]));

      expect(peer.dropped).toEqual([]);
      expect(droppedBy(router)).toEqual([]);
    }),
  );

  it("exchanges messages, counted in one queue, each after the ACK of the one before", TIMEOUT, () =>
    overEach(async (brokerCount) => {
      const meeting = await meet(brokerCount);
      const { router, shown, peer } = meeting;
      const [sent] = await Promise.all([
        sendFromPython(meeting, texts, "counted"),
        sendFromRouter(meeting, bytes.slice(0, ONE_BY_ONE), true),
      ]);
      await router.close(); // shows whatever it holds

      expect(new Set(sent.map(({ queueId }) => queueId)).size).toBe(1);
      expect(hexOf(shown)).toEqual(texts.map(hex));
      expect(shown.map(({ sequence }) => sequence)).toEqual(upTo(MESSAGES));
      expect(new Set(shown.map(({ from, queueId }) => `${from} ${queueId}`))).toEqual(
        new Set([`${peer.address} ${sent[0]?.queueId}`]),
      );

      expect(hexOf(peer.messages)).toEqual(bytes.slice(0, ONE_BY_ONE).map(hex));
      // It has answered the first before the second is sent, and is known from then on.
      expect(peer.messages.map(({ sequence }) => sequence)).toEqual(Array(ONE_BY_ONE).fill(0));
      expect(new Set(peer.messages.map(({ queueId }) => queueId)).size).toBe(ONE_BY_ONE);

      expect(peer.dropped).toEqual([]);
      expect(droppedBy(router)).toEqual([]);
    }),
  );

  it("signs each copy anew, with high s and low s, and each is acknowledged", TIMEOUT, async () => {
    const meeting = await meet(3);
    const { router, shown } = meeting;
    const sent = await sendFromPython(meeting, texts, "fresh");
    await router.close();

    const signatures = sent.flatMap((message) => message.signatures);
    expect(new Set(signatures).size).toBe(3 * MESSAGES);
    // None or all of 150 being high has a chance of 2^-149.
    expect(new Set(signatures.map((signature) => signature.slice(64) > HALF_ORDER)).size).toBe(2);
    expect(shown).toHaveLength(MESSAGES);
    expect(router.stats().duplicates).toBeGreaterThanOrEqual(2 * MESSAGES);
  });

  it("answers a probe, and is answered by the broker that it probes by", TIMEOUT, async () => {
    const { router, shown, peer, brokers } = await meet(3);

    const found = await router.probe(peer.address, PATIENT);
    expect(found.reachable).toBe(true);
    expect(Math.abs(found.remoteClockOffsetMs ?? Number.NaN)).toBeLessThan(2000);
    await peer.until(() => peer.answers >= 3);
    for (const broker of brokers) {
      const { acknowledgedBy } = await peer.probe(router.address, broker);
      expect([...acknowledgedBy]).toEqual([broker.host]);
    }

    expect(peer.messages).toEqual([]);
    expect(shown).toEqual([]);
    expect(droppedBy(router)).toEqual([]);
  });

  it("sends again when the ACK is lost, and is shown once; and so the other way round", TIMEOUT, async () => {
    const { router, shown, peer } = await meet(1);
    for (const queue of ["fresh", "counted"] as const) {
      await peer.send(router.address, encoder.encode(queue), { queue, qos: 0, lose: 1 });
    }
    await router.close();
    expect(shown.map((message) => message.text())).toEqual(["fresh", "counted"]);
    expect(router.stats().duplicates).toBeGreaterThanOrEqual(2);

    const meeting = await meet(1);
    const pipe = await meeting.router.pipe(meeting.peer.address);
    await meeting.peer.mute(1);
    const { attempts } = await pipe.deliver("again", PATIENT);
    expect(attempts).toBeGreaterThanOrEqual(2);
    await pipe.deliver("next", PATIENT);
    expect(hexOf(meeting.peer.messages)).toEqual(["again", "next"].map((text) => hex(encoder.encode(text))));
  });

  it("mangles what is not UTF-8, or is sealed, and acknowledges it: the documentation says so loudly", async () => {
    const { router, peer } = await meet(1);
    const pipe = await router.pipe(peer.address);
    expect(await pipe.send(Uint8Array.of(0x61, 0xff, 0xfe, 0x62), PATIENT)).toBe(4);
    const sealing = await router.pipe(peer.address, { encrypt: true });
    expect(await sealing.send("a secret", PATIENT)).toBe(8);
    expect(peer.messages.map(({ text }) => text === "ab")).toEqual([true, false]);
    expect(peer.messages[1]?.text).not.toContain("secret");
  });
});
