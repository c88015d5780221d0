import { afterAll, beforeAll, expect, it } from "vitest";
import {
  type BrokerEntry,
  type BrokerPool,
  Keypair,
  type Receipt,
  Router,
  type Transport,
} from "../../src/index.js";
import { withMosquitto } from "../support/needs.js";
import { makePeer, median, record, startPeer, untilBrokers, use } from "../support/peers.js";
import { startProxy } from "../support/proxy.js";
import { type Candidate, ca, entryAt, entryOf, mosquitto, type RunningBroker } from "./candidates.js";
import { observe } from "./facts.js";
import { expectFacts, reportFigures, WRITES } from "./report.js";

const TRANSPORTS: readonly Transport[] = ["mqtt", "mqtts", "ws", "wss"];

/** RabbitMQ takes ten seconds to start, more on a busy machine. */
const START_MS = 120_000;

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);
const poolAt = (entry: BrokerEntry): BrokerPool => ({ IPv4: { "127.0.0.1": entry } });
const isOpen = (router: Router): boolean => router.stats().brokers.some(({ state }) => state === "open");

/** The same conversation over a broker, on every transport, and what is peculiar to it. */
export function conversationOver(candidate: Candidate): void {
  let broker: RunningBroker;

  beforeAll(async () => {
    broker = await candidate.start();
  }, START_MS);
  afterAll(() => broker?.[Symbol.asyncDispose]());

  it("holds the conversation over every transport", { timeout: START_MS }, async () => {
    const ways = TRANSPORTS.map((transport): Way => ({ candidate, transport, broker }));
    for (const part of [find, carryMany, carryLong, reachBothDevices, logIn])
      await Promise.all(ways.map(part));
  });

  it("is what docs/brokers.md says it is", { timeout: 60_000 }, async () => {
    await expectFacts(candidate.name, await observe(candidate, broker));
  });

  if (WRITES) {
    withMosquitto("beside mosquitto", (run) => {
      it.each(TRANSPORTS)("takes as long as it takes over %s", { timeout: START_MS }, async (transport) => {
        const reference = mosquitto(run);
        await compare(
          { candidate, transport, broker },
          { candidate: reference, transport: "mqtt", broker: use(await reference.start()) },
        );
      });
    });
  }

  // The last one: it leaves nothing connected.
  it("loses nothing but time when connections are reset, and when it is started again", {
    timeout: START_MS,
  }, async () => {
    const proxies = await Promise.all(
      TRANSPORTS.map(async (transport) => {
        const way = { host: "127.0.0.1", port: broker.ports[transport] };
        return use(await startProxy("127.0.0.1", way));
      }),
    );
    const pairs = await pairsOver(
      TRANSPORTS.map((transport, i) => entryAt(transport, proxies[i]?.port ?? 0, candidate.path)),
    );
    expect(await pairs.sendAll("before")).toEqual([6, 6, 6, 6]);
    const reset = pairs.untilAll((router) => !isOpen(router));
    for (const proxy of proxies) proxy.cut();
    await reset;
    await pairs.untilAll(isOpen);
    expect(await pairs.sendAll("after")).toEqual([5, 5, 5, 5]);

    const lost = pairs.untilAll((router) => !isOpen(router));
    await broker.kill();
    await lost;
    expect(await pairs.sendAll("meanwhile", 500)).toEqual([0, 0, 0, 0]);
    await broker.restart();
    await pairs.untilAll(isOpen);
    expect(await pairs.sendAll("again")).toEqual([5, 5, 5, 5]);
    expect(pairs.shown()).toEqual(TRANSPORTS.map(() => ["before", "after", "again"]));
  });
}

/** Two peers on each broker entry. */
async function pairsOver(entries: readonly BrokerEntry[]) {
  const pairs = await Promise.all(
    entries.map(async (entry) => {
      const peers = [1, 2].map(() => startPeer(poolAt(entry), { ca }));
      const [ann, ben] = await Promise.all(peers);
      if (ann === undefined || ben === undefined) throw new Error("no peers");
      return { routers: [ann, ben], shown: record(ben), pipe: await ann.pipe(ben.address) };
    }),
  );
  return {
    sendAll: (text: string, timeoutMs = 4000): Promise<number[]> =>
      Promise.all(pairs.map(({ pipe }) => pipe.send(text, { timeoutMs }))),
    untilAll: (holds: (router: Router) => boolean): Promise<unknown> =>
      Promise.all(
        pairs.flatMap(({ routers }) => routers.map((router) => untilBrokers(router, () => holds(router)))),
      ),
    shown: (): string[][] => pairs.map(({ shown }) => shown.map((message) => message.text())),
  };
}

/** One transport of a broker. */
interface Way {
  readonly candidate: Candidate;
  readonly broker: RunningBroker;
  readonly transport: Transport;
}

const poolOn = ({ candidate, broker, transport }: Way): BrokerPool =>
  poolAt(entryOf(candidate, broker, transport));
const optionsFor = ({ transport }: Way) => ({ ca, transports: [transport] });
const pairOn = (way: Way): Promise<[Router, Router]> =>
  Promise.all([startPeer(poolOn(way), optionsFor(way)), startPeer(poolOn(way), optionsFor(way))]);

/** Finds the peer, and says when nobody is there. */
async function find(way: Way): Promise<void> {
  const [ann, ben] = await pairOn(way);
  const found = await ann.probe(ben.address);
  expect(found).toMatchObject({ reachable: true, brokers: [{ host: "127.0.0.1" }] });
  const nobody = Keypair.generate().publicKeyHex;
  expect(await ann.probe(nobody, { timeoutMs: 200 })).toEqual({ reachable: false, brokers: [] });
}

/** Carries 50 messages each way in order, one after the other and all at once. */
async function carryMany(way: Way): Promise<void> {
  const [ann, ben] = await pairOn(way);
  const [atAnn, atBen] = [record(ann), record(ben)];
  const [toBen, toAnn] = await Promise.all([ann.pipe(ben.address), ben.pipe(ann.address)]);
  const receipts: Receipt[] = [];
  for (const text of numbers(50)) for (const pipe of [toBen, toAnn]) receipts.push(await pipe.deliver(text));
  const rest = numbers(100).slice(50);
  const sent = rest.flatMap((text) => [toBen.deliver(text), toAnn.deliver(text)]);
  receipts.push(...(await Promise.all(sent)));
  for (const shown of [atAnn, atBen]) expect(shown.map((message) => message.text())).toEqual(numbers(100));
  // A broker delivers what was published, once each, and nothing else. On a busy machine, some is
  // published again.
  const again = receipts.reduce((sum, { attempts }) => sum + attempts - 1, 0);
  const copies = ann.stats().duplicates + ben.stats().duplicates;
  expect(copies).toBeLessThanOrEqual(again);
  for (const router of [ann, ben]) expect(router.stats().dropped).toEqual({});
}

/** Carries 60 KiB, open and sealed, and answers. */
async function carryLong(way: Way): Promise<void> {
  const [ann, ben] = await pairOn(way);
  const replies = ann.messages();
  const shown = record(ben);
  ben.addMessageHandler((message) => message.reply(message.data.subarray(0, 10)));
  const bytes = Uint8Array.from({ length: 61_440 }, (_, i) => i % 251);
  for (const encrypt of [false, true]) {
    const pipe = await ann.pipe(ben.address, { encrypt });
    expect(await pipe.send(bytes)).toBe(61_440);
    await expect(pipe.send(new Uint8Array(61_441))).rejects.toMatchObject({ code: "MESSAGE_TOO_LARGE" });
    const { value: answer } = await replies.next();
    expect(answer).toMatchObject({ from: ben.address, sealed: encrypt });
    expect([...(answer?.data ?? [])]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }
  expect(shown.map(({ sealed, data }) => [sealed, Buffer.compare(data, bytes)])).toEqual([
    [false, 0],
    [true, 0],
  ]);
}

/** Brings a message to both devices of one key. */
async function reachBothDevices(way: Way): Promise<void> {
  const keys = Keypair.generate();
  const settings = {
    getTime: Date.now,
    brokers: poolOn(way),
    families: ["IPv4"],
    ...optionsFor(way),
  } as const;
  const devices = [1, 2].map(() => new Router(keys, settings));
  for (const device of devices) {
    use({ [Symbol.asyncDispose]: () => device.close({ signal: AbortSignal.abort() }) });
    await device.start();
  }
  const both = devices.map((device) => device.messages()[Symbol.asyncIterator]().next());
  const ann = await startPeer(poolOn(way), optionsFor(way));
  expect(await (await ann.pipe(keys.publicKeyHex)).send("both of you")).toBe(11);
  for (const next of await Promise.all(both)) expect(next.value?.text()).toBe("both of you");
}

/** Lets those in who say the right name, and tells those who do not. */
async function logIn(way: Way): Promise<void> {
  const entry = { ...entryOf(way.candidate, way.broker, way.transport), ...way.candidate.user };
  const known = await startPeer(poolAt(entry), optionsFor(way));
  expect(isOpen(known)).toBe(true);
  const stranger = makePeer(poolAt({ ...entry, password: "guessed" }), optionsFor(way));
  await expect(stranger.start()).rejects.toMatchObject({
    code: "NO_BROKER",
    brokers: [{ error: expect.stringMatching(/refused with code [45]: |closed/) }],
  });
}

/** How long it takes, beside another one. */
async function compare(here: Way, there: Way): Promise<void> {
  const sides = [here, there].map((way) => ({ brokers: poolOn(way), settings: optionsFor(way) }));
  const starts: number[][] = [[], []];
  const roundTrips: number[][] = [[], []];
  const pairs = await Promise.all(
    sides.map(async ({ brokers, settings }) => {
      const peers = [startPeer(brokers, settings), startPeer(brokers, settings)] as const;
      const [ann, ben] = await Promise.all(peers);
      return Promise.all([ann.pipe(ben.address), ben.pipe(ann.address)]);
    }),
  );
  // In turn, so that whatever else the machine does hits both alike.
  for (let i = 0; i < 3; i++) {
    for (const [side, { brokers, settings }] of sides.entries()) {
      const router = makePeer(brokers, settings);
      const began = performance.now();
      await router.start();
      starts[side]?.push(performance.now() - began);
      await router.close();
    }
  }
  for (const text of numbers(15)) {
    for (const [side, pair] of pairs.entries())
      for (const pipe of pair) roundTrips[side]?.push((await pipe.deliver(text)).roundTripMs);
  }
  const [start = Number.NaN, startThere = Number.NaN] = starts.map(median);
  const [roundTrip = Number.NaN, roundTripThere = Number.NaN] = roundTrips.map(median);
  await reportFigures(here.candidate.name, {
    [`round trip over ${here.transport}`]: `× ${(roundTrip / roundTripThere).toFixed(1)}`,
    [`start over ${here.transport}`]: `${Math.round(start)} ms, × ${(start / startThere).toFixed(1)}`,
  });
}
