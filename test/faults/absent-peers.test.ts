import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Identity, type InboundMessage, Router, type RouterOptions } from "../../src/index.js";
import { cheapIdentity, network } from "./memory-network.js";
import { VirtualClock } from "./virtual-clock.js";

vi.mock("../../src/brokers/broker-link.js", async () => {
  const { network } = await import("./memory-network.js");
  return { openLink: network.openLink };
});

const SECOND_MS = 1000;
const HOSTS = Array.from({ length: 11 }, (_, i) => `broker${i}.example`);
const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

describe("a peer that is away for a while, in simulated time", () => {
  const clock = new VirtualClock();
  const routers = new Set<Router>();
  let working = 0;

  beforeEach(() => {
    clock.install();
    for (const host of HOSTS) network.add(host);
  });
  afterEach(async () => {
    for (const router of routers) work(router.close({ signal: AbortSignal.abort() }));
    routers.clear();
    await pass(SECOND_MS);
    clock.uninstall();
  });

  function work<T>(promise: Promise<T>): Promise<T> {
    working++;
    const done = (): void => void working--;
    promise.then(done, done);
    return promise;
  }

  const pass = (ms: number): Promise<void> =>
    clock.passUntil(clock.now + ms, () => working > 0 || network.pending > 0);

  /** A router that listens, and what it has shown. */
  async function join(
    identity: Identity = cheapIdentity(),
    options: Partial<RouterOptions> = {},
  ): Promise<{ router: Router; shown: InboundMessage[] }> {
    const router = new Router(identity, {
      getTime: () => clock.wall,
      brokers: network.pool,
      families: ["IPv4"],
      verify: () => true,
      ...options,
    });
    routers.add(router);
    const shown: InboundMessage[] = [];
    router.on("message", (message) => shown.push(message));
    void work(router.start());
    await pass(SECOND_MS);
    return { router, shown };
  }

  const addressOf = (identity: Identity): string => Buffer.from(identity.publicKey).toString("hex");
  const texts = (shown: readonly InboundMessage[]): string[] => shown.map((message) => message.text());

  it.each([3, 6, 12])("is reached when it comes after %i s, with timeoutMs 20 000", async (seconds) => {
    const { router: ann } = await join();
    const keys = cheapIdentity();
    const pipe = await ann.pipe(addressOf(keys));
    const sent = work(pipe.send("hello", { timeoutMs: 20_000 }));
    await pass((seconds - 1) * SECOND_MS);
    const { shown } = await join(keys);
    await pass((20 - seconds) * SECOND_MS);
    expect(await sent).toBe(5);
    expect(texts(shown)).toEqual(["hello"]);
  });

  it("is reached when it comes back by another broker", async () => {
    const { router: ann } = await join();
    const keys = cheapIdentity();
    const at = (host: string): Partial<RouterOptions> => ({ brokers: { IPv4: { [host]: { port: 1883 } } } });
    const before = await join(keys, at("broker0.example"));
    const pipe = await ann.pipe(addressOf(keys));
    void work(pipe.send("before"));
    // Wherever that broker ranks.
    await pass(2 * SECOND_MS);
    expect(texts(before.shown)).toEqual(["before"]);
    void work(before.router.close());
    await pass(SECOND_MS);
    const sent = work(pipe.send("after", { timeoutMs: 20_000 }));
    await pass(5 * SECOND_MS);
    const { shown } = await join(keys, at("broker9.example"));
    await pass(10 * SECOND_MS);
    expect(await sent).toBe(5);
    expect(texts(shown)).toEqual(["after"]);
  });

  it("is reached after nine minutes, by a message with the time of then", async () => {
    const { router: ann } = await join();
    const keys = cheapIdentity();
    const pipe = await ann.pipe(addressOf(keys));
    const sent = work(pipe.send("hello", { timeoutMs: 600_000 }));
    await pass(540 * SECOND_MS);
    const { router, shown } = await join(keys);
    await pass(30 * SECOND_MS);
    expect(await sent).toBe(5);
    expect(texts(shown)).toEqual(["hello"]);
    expect(router.stats().dropped).toEqual({});
    expect(clock.wall - (shown[0]?.sentAt ?? 0)).toBeLessThan(120_000);
  });

  it("is handed everything in order, also what was sent at other times", async () => {
    const { router: ann } = await join();
    const keys = cheapIdentity();
    const pipe = await ann.pipe(addressOf(keys));
    const sent: Promise<number>[] = [];
    for (const i of upTo(20)) {
      sent.push(work(pipe.send(`${i}`, { timeoutMs: 120_000 })));
      await pass(3 * SECOND_MS);
    }
    const { shown } = await join(keys);
    await pass(60 * SECOND_MS);
    expect(await Promise.all(sent)).not.toContain(0);
    expect(texts(shown)).toEqual(upTo(20).map(String));
  });

  it("is sent a few messages at first: what it does not answer is not multiplied", async () => {
    const { router: ann } = await join();
    const pipe = await ann.pipe(addressOf(cheapIdentity()));
    const sent = work(Promise.all(upTo(60).map((i) => pipe.send(`${i}`))));
    await pass(1900);
    expect(ann.stats().inFlight).toBe(8);
    await pass(200);
    expect(ann.stats().inFlight).toBe(60);
    await pass(5 * SECOND_MS);
    expect(new Set(await sent)).toEqual(new Set([0]));
  });

  it.each([
    [4, 31],
    [20, 75],
    [600, 306],
  ])("costs little: with a timeout of %i s, %i publishes", async (seconds, publishes) => {
    const { router: ann } = await join();
    const pipe = await ann.pipe(addressOf(cheapIdentity()));
    const sent = work(pipe.send("anybody?", { timeoutMs: seconds * SECOND_MS }));
    await pass(seconds * SECOND_MS);
    expect(await sent).toBe(0);
    const total = ann.stats().brokers.reduce((sum, broker) => sum + broker.sent, 0);
    expect(total).toBe(publishes);
  });
});
