import { describe, expect, it, onTestFinished } from "vitest";
import { type BrokerPool, Keypair, Router, type RouterOptions } from "../../src/index.js";
import { type EmbeddedBroker, startEmbeddedBroker } from "../support/embedded-broker.js";
import { makePeer, poolOf, record, startPeer, untilBrokers, use } from "../support/peers.js";

/** Brokers that note what is subscribed, and in how many packets. */
interface Noted {
  readonly brokers: readonly EmbeddedBroker[];
  readonly pool: BrokerPool;
  /** The topics of each SUBSCRIBE and UNSUBSCRIBE so far, over all brokers. */
  readonly subscribed: string[][];
  readonly unsubscribed: string[][];
  readonly connections: number;
}

async function startBrokers(count: number, third = 20): Promise<Noted> {
  const subscribed: string[][] = [];
  const unsubscribed: string[][] = [];
  const brokers = await Promise.all(
    Array.from({ length: count }, async (_, i) => {
      const broker = use(await startEmbeddedBroker(`127.0.${third}.${i + 1}`));
      broker.aedes.on("subscribe", (subscriptions) =>
        subscribed.push(subscriptions.map(({ topic }) => topic)),
      );
      broker.aedes.on("unsubscribe", (topics, client) => {
        // Of who has left it says so, too.
        if (client.connected) unsubscribed.push([...topics]);
      });
      return broker;
    }),
  );
  return {
    brokers,
    pool: poolOf(brokers),
    subscribed,
    unsubscribed,
    get connections() {
      return brokers.reduce((sum, { connections }) => sum + connections, 0);
    },
  };
}

/** Another address, which is closed at the end of the test. Not started. */
function makeOver(over: Router, options: Partial<RouterOptions> = {}): Router {
  const router = new Router(Keypair.generate(), { over, getTime: Date.now, ...options });
  onTestFinished(() => router.close({ signal: AbortSignal.abort() }));
  return router;
}

async function startOver(over: Router, options: Partial<RouterOptions> = {}): Promise<Router> {
  const router = makeOver(over, options);
  await router.start();
  return router;
}

/** Resolves when a router listens on so many brokers. */
const untilOpen = (router: Router, count: number): Promise<void> =>
  untilBrokers(router, () => router.stats().brokers.filter(({ state }) => state === "open").length === count);

async function say(from: Router, to: Router, ...texts: readonly string[]): Promise<void> {
  const pipe = await from.pipe(to.address);
  for (const text of texts) expect((await pipe.deliver(text)).bytes).toBe(text.length);
  pipe.close();
}

describe("another address on the connections of a router", () => {
  it("has its own messages, in order, each once, over the same sessions", async () => {
    const noted = await startBrokers(3);
    const first = await startPeer(noted.pool);
    await untilOpen(first, 3);
    const second = await startOver(first);
    await untilOpen(second, 3);
    const other = await startPeer(noted.pool);
    const [toFirst, toSecond, toOther] = [record(first), record(second), record(other)];
    await Promise.all([
      say(other, first, "a1", "a2", "a3"),
      say(other, second, "b1", "b2", "b3"),
      say(first, other, "c1", "c2"),
      say(second, other, "d1", "d2"),
    ]);
    expect(toFirst.map((message) => message.text())).toEqual(["a1", "a2", "a3"]);
    expect(toSecond.map((message) => message.text())).toEqual(["b1", "b2", "b3"]);
    const from = (router: Router): string[] =>
      toOther.filter(({ from }) => from === router.address).map((message) => message.text());
    expect([from(first), from(second)]).toEqual([
      ["c1", "c2"],
      ["d1", "d2"],
    ]);
    await other.close();
    // Three of the first, three of the other.
    expect(noted.connections).toBe(6);
  });

  it("is dialled for nothing that is connected, and one that is dialled for it serves the others", async () => {
    const noted = await startBrokers(3);
    // Not started: the connections are those of whoever needs them.
    const first = makePeer(noted.pool);
    const second = await startOver(first);
    await untilOpen(second, 3);
    await first.start();
    await untilOpen(first, 3);
    expect(noted.connections).toBe(3);
    await second.close();
    await say(await startPeer(noted.pool), first, "still there");
  });

  it("talks to the one that it is over", async () => {
    const noted = await startBrokers(2);
    const first = await startPeer(noted.pool);
    const second = await startOver(first);
    first.addMessageHandler((message) => message.reply(`${message.text()}, too`));
    const got = record(second);
    await say(second, first, "hello");
    await expect.poll(() => got.map((message) => message.text())).toEqual(["hello, too"]);
  });

  it("may be over one that is over another: the connections are the first one's", async () => {
    const noted = await startBrokers(2);
    const first = await startPeer(noted.pool);
    const second = await startOver(first);
    const third = await startOver(second);
    await Promise.all([first, second, third].map((router) => untilOpen(router, 2)));
    expect(noted.connections).toBe(2);
    await second.close();
    await say(first, third, "without the one between");
    await first.close();
    await expect(third.start()).rejects.toMatchObject({ code: "CLOSED" });
  });

  it("leaves the others when it is closed, and its topic at the brokers", async () => {
    const noted = await startBrokers(2);
    const first = await startPeer(noted.pool);
    const second = await startOver(first);
    await Promise.all([untilOpen(first, 2), untilOpen(second, 2)]);
    const left = new Promise<void>((resolve) => {
      for (const { aedes } of noted.brokers)
        aedes.on("unsubscribe", () => {
          if (noted.unsubscribed.length === 2) resolve();
        });
    });
    await second.close();
    await left;
    expect(noted.unsubscribed).toEqual([[second.address], [second.address]]);
    await say(await startPeer(noted.pool), first, "still there");
    expect(first.stats().brokers.map(({ state }) => state)).toEqual(["open", "open"]);
  });

  it("is closed before the one that owns the connections, with what it was sent", async () => {
    const noted = await startBrokers(2);
    const first = await startPeer(noted.pool);
    const [second, third] = [await startOver(first), await startOver(first)];
    const other = await startPeer(noted.pool);
    const got = record(other);
    const pipe = await second.pipe(other.address);
    const sent = pipe.deliver("the last");
    const ends: string[] = [];
    const closed = [
      third.close().then(() => ends.push("third")),
      first.close().then(() => ends.push("first")),
    ];
    expect(() => makeOver(first)).toThrow(expect.objectContaining({ code: "CLOSED" }));
    expect((await sent).bytes).toBe(8);
    await Promise.all(closed);
    expect(ends).toEqual(["third", "first"]);
    expect(got.map((message) => message.text())).toEqual(["the last"]);
    await expect(second.pipe(other.address)).rejects.toMatchObject({ code: "CLOSED" });
    for (const { aedes } of noted.brokers) await expect.poll(() => aedes.connectedClients).toBe(1);
  });

  it("is subscribed together with the others, and again when a broker is back", async () => {
    const noted = await startBrokers(1);
    const first = await startPeer(noted.pool);
    const others = Array.from({ length: 49 }, () => makeOver(first));
    await Promise.all(others.map((router) => router.start()));
    // The own one, and all others at once, as they came in one turn.
    expect(noted.subscribed.map((topics) => topics.length)).toEqual([1, 49]);
    const all = [first, ...others];
    const lost = all.map((router) =>
      untilBrokers(router, () => router.stats().brokers.every(({ state }) => state !== "open")),
    );
    const [broker] = noted.brokers;
    const { host = "", port = 0 } = broker ?? {};
    await broker?.close();
    await Promise.all(lost);
    const again = use(await startEmbeddedBroker(host, port));
    const packets: number[] = [];
    again.aedes.on("subscribe", (subscriptions) => packets.push(subscriptions.length));
    await Promise.all(all.map((router) => untilOpen(router, 1)));
    expect(packets).toEqual([50]);
    expect(again.connections).toBe(1);
    await Promise.all(others.map((router) => say(first, router, "again")));
  });
});

describe("of several addresses on the same connections", () => {
  it("one that a broker refuses goes by the others, and those that it does not refuse go on there", async () => {
    const noted = await startBrokers(2, 21);
    const [refusing, taking] = noted.brokers;
    let refused = "";
    if (refusing)
      refusing.aedes.authorizeSubscribe = (_, subscription, done) =>
        done(null, subscription.topic === refused ? null : subscription);
    const first = await startPeer(noted.pool);
    await untilOpen(first, 2);
    const second = makeOver(first);
    refused = second.address;
    const statesOf = (router: Router): Record<string, string> =>
      Object.fromEntries(
        router.stats().brokers.map(({ host, state, lastError = "" }) => [host, `${state} ${lastError}`]),
      );
    await second.start();
    const [refusingHost = "", takingHost = ""] = [refusing?.host, taking?.host];
    await untilBrokers(second, () => statesOf(second)[refusingHost]?.startsWith("waiting") === true);
    expect(statesOf(second)).toEqual({
      [refusingHost]: "waiting wanted QoS 1, refused",
      [takingHost]: "open ",
    });
    expect(statesOf(first)[refusingHost]).toBe("open ");
    const other = await startPeer(noted.pool);
    await say(other, second, "by the other one");
    await say(other, first, "by any");
    // It is asked again, on the same session, and takes it.
    refused = "";
    await untilOpen(second, 2);
    expect(refusing?.connections).toBe(2);
  });

  it("one that is closed under load takes nothing from the others", async () => {
    const noted = await startBrokers(3, 22);
    const home = await startPeer(noted.pool);
    const over = await Promise.all(Array.from({ length: 4 }, () => startOver(home)));
    const staying = [home, ...over.slice(2)];
    const sender = await startPeer(noted.pool);
    const shown = new Map(staying.map((router) => [router, record(router)]));
    const texts = Array.from({ length: 60 }, (_, i) => String(i));
    const pipes = await Promise.all([home, ...over].map((router) => sender.pipe(router.address)));
    const sent = pipes.map((pipe) => texts.map((text) => pipe.send(text, { timeoutMs: 50_000 })));
    const [gone, goneAtOnce] = over;
    // In the middle of it.
    await sent[0]?.[20];
    await Promise.all([gone?.close(), goneAtOnce?.close({ signal: AbortSignal.abort() })]);
    for (const [i, router] of [home, ...over].entries()) {
      if (!staying.includes(router)) continue;
      expect(await Promise.all(sent[i] ?? [])).toEqual(texts.map(({ length }) => length));
      expect(shown.get(router)?.map((message) => message.text())).toEqual(texts);
    }
    for (const promise of sent.flat()) promise.catch(() => {});
    for (const router of staying) {
      const failures = router.stats().brokers.map(({ failures }) => failures);
      expect(failures).toEqual([0, 0, 0]);
    }
    await sender.close({ signal: AbortSignal.abort() });
  });

  it("each has the broker's rate left that the others did not use", async () => {
    const broker = use(await startEmbeddedBroker("127.0.23.1"));
    const pool: BrokerPool = {
      IPv4: { [broker.host]: { port: broker.port, rate: { perSecond: 1, burst: 8 } } },
    };
    const first = await startPeer(pool);
    const second = await startOver(first);
    const other = await startPeer(pool);
    const [silent, toOther] = [
      await first.pipe(Keypair.generate().publicKeyHex),
      await second.pipe(other.address),
    ];
    const startedAt = performance.now();
    // All that messages may use: a quarter is kept for ACKs.
    await Promise.all(Array.from({ length: 6 }, () => silent.send("x", { timeoutMs: 100 })));
    await toOther.deliver("y");
    expect(performance.now() - startedAt).toBeGreaterThan(990);
  });

  it("one leaves the brokers that it does not need, and what nobody needs is closed", async () => {
    const noted = await startBrokers(2, 24);
    const options = { inboundBrokers: 1, reserveBrokers: 0 };
    const first = await startPeer(noted.pool, options);
    const second = await startOver(first, options);
    // Both listen on one; this takes them to the other as well.
    for (const router of [first, second]) {
      await router.pipe(second.address).then((pipe) => pipe.close());
      await untilOpen(router, 2);
    }
    expect(await second.closeIdle()).toBe(1);
    await expect.poll(() => noted.unsubscribed).toEqual([[second.address]]);
    expect(first.stats().brokers.map(({ state }) => state)).toEqual(["open", "open"]);
    expect(await first.closeIdle()).toBe(1);
    expect(noted.connections).toBe(2);
  });
});

describe("what belongs to the connections", () => {
  const pool: BrokerPool = { IPv4: { "127.0.0.1": { port: 1 } } };

  it.each<[keyof RouterOptions, unknown]>([
    ["brokers", pool],
    ["families", ["IPv4"]],
    ["nic", "127.0.0.1"],
    ["transports", ["mqtt"]],
    ["allowInsecure", true],
    ["ca", "-----BEGIN CERTIFICATE-----"],
    ["idleTimeoutMs", 5000],
    ["allowPrivateHints", true],
  ])("%s is refused for an address over them", (name, value) => {
    expect(() => makeOver(makePeer(pool), { [name]: value })).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTION",
        path: name,
        message: `${name}: belongs to the connections: give it to the router that owns them`,
      }),
    );
  });

  it("is a router's, not anything else's", () => {
    for (const over of [null, 1, "router", {}, [], { address: "02" }])
      expect(() => new Router(Keypair.generate(), { over, getTime: Date.now } as RouterOptions)).toThrow(
        expect.objectContaining({ code: "INVALID_OPTION", path: "over" }),
      );
  });

  it("has each address once, as long as it is not closed", async () => {
    const keys = Keypair.generate();
    const first = new Router(keys, { getTime: Date.now, brokers: pool });
    const same = (): Router => new Router(keys, { over: first, getTime: Date.now });
    expect(same).toThrow(expect.objectContaining({ code: "INVALID_KEY", path: "identity" }));
    const others = Keypair.generate();
    const second = new Router(others, { over: first, getTime: Date.now });
    expect(() => new Router(others, { over: second, getTime: Date.now })).toThrow("no router");
    await second.close();
    await new Router(others, { over: first, getTime: Date.now }).close();
    await first.close();
    expect(same).toThrow(expect.objectContaining({ code: "CLOSED" }));
  });
});
