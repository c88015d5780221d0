import { brokerScore, rankBrokers } from "sidewire";
import { afterEach, describe, expect, it, vi } from "vitest";
import { addresses } from "../bench/simulate/addresses.js";
import { type Arrival, measureArrival } from "../bench/simulate/arrival.js";
import { chartsOf } from "../bench/simulate/charts.js";
import { withTables } from "../bench/simulate/document.js";
import { count, percent } from "../bench/simulate/format.js";
import { measureLoad } from "../bench/simulate/load.js";
import { churn, joinWeighted, measureMoves, moduloMoves } from "../bench/simulate/moves.js";
import { CONNECT_MS, PASSAGE_MS } from "../bench/simulate/network.js";
import { kept, keptOf } from "../bench/simulate/original.js";
import { send, settled } from "../bench/simulate/peer.js";
import { evenPool, type Pool, poolOf } from "../bench/simulate/pools.js";
import { answer, type Sizes } from "../bench/simulate/questions.js";
import { Random } from "../bench/simulate/random.js";
import { RULES, type Rules } from "../bench/simulate/rules.js";
import {
  chanceOfCommon,
  chiSquare,
  chiSquareLimit,
  deviation,
  quantile,
} from "../bench/simulate/statistics.js";
import { tablesOf } from "../bench/simulate/tables.js";
import { Alarm, monotonicNow } from "../src/base/alarm.js";
import { BrokerError } from "../src/base/errors.js";
import { InboundSet } from "../src/brokers/inbound-set.js";
import type { OpenLink } from "../src/brokers/link.js";
import type { LinkSet } from "../src/brokers/link-set.js";
import type { LinkSlot } from "../src/brokers/link-slot.js";
import { Delivery } from "../src/sending/delivery.js";
import { Outbox } from "../src/sending/outbox.js";
import type { Broker } from "../src/wire/broker-pool.js";
import { makeConnections, makeLinks, openMadeUp } from "./support/links.js";

const TINY: Sizes = {
  load: { weighted: 200, even: { 11: 20, 30: 20, 100: 10, 1000: 5 } },
  moves: { 11: 20, 30: 20, 100: 10, 1000: 5 },
  pairs: { 11: 10, 30: 10, 100: 4, 1000: 2 },
};

/** Every list of this many truth values. */
function patterns(length: number): boolean[][] {
  return Array.from({ length: 2 ** length }, (_, bits) =>
    Array.from({ length }, (_, i) => ((bits >> i) & 1) === 1),
  );
}

function orders(items: readonly number[]): number[][] {
  if (items.length === 0) return [[]];
  return items.flatMap((item) =>
    orders(items.filter((other) => other !== item)).map((rest) => [item, ...rest]),
  );
}

function choose(n: number, k: number): number {
  return k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k;
}

function binomial(n: number, k: number, p: number): number {
  return choose(n, k) * p ** k * (1 - p) ** (n - k);
}

describe("random numbers", () => {
  it("depend on the seed and the name alone", () => {
    const draw = (seed: number, name: string): number[] => {
      const random = new Random(seed, name);
      return Array.from({ length: 5 }, () => random.next());
    };
    expect(draw(1, "a")).toEqual(draw(1, "a"));
    expect(draw(1, "a")).not.toEqual(draw(2, "a"));
    expect(draw(1, "a")).not.toEqual(draw(1, "b"));
  });

  it("make different addresses that the library accepts", () => {
    const source = addresses(new Random(1, "addresses"));
    const made = Array.from({ length: 60 }, () => source.next().value);
    expect(new Set(made).size).toBe(60);
    for (const address of made) expect(brokerScore("IPv4", "broker.example.net", address)).toBeGreaterThan(0);
  });
});

describe("statistics", () => {
  it("are those of the tables", () => {
    // 3.84, 18.31 and 124.34 in print.
    expect(chiSquareLimit(1)).toBeCloseTo(3.84, 0);
    expect(chiSquareLimit(10)).toBeCloseTo(18.31, 1);
    expect(chiSquareLimit(100)).toBeCloseTo(124.34, 1);
    expect(chiSquare([8, 12], [10, 10])).toBeCloseTo(0.8);
    expect(deviation([2, 4, 4, 4, 5, 5, 7, 9])).toBe(2);
    expect(quantile([5, 1, 4, 2, 3], 0.5)).toBe(3);
    expect(quantile([5, 1, 4, 2, 3], 0.99)).toBe(5);
  });

  it("count the cases in which two peers have a broker in common", () => {
    const all = patterns(4).flatMap((a) => patterns(4).map((b) => a.some((its, i) => its && b[i])));
    expect(chanceOfCommon(4, 0.5)).toBeCloseTo(all.filter(Boolean).length / all.length);
  });
});

describe("load and moves", () => {
  it("go by the ranking that everybody gets", () => {
    const weights = [1, 2, 1, 4, 0.5];
    const pool = poolOf("small", weights);
    const entries = pool.hosts.map((host, i) => [host, { port: 1883, weight: weights[i] }]);
    const source = addresses(new Random(1, "ranking"));
    for (let i = 0; i < 20; i++) {
      const address = source.next().value;
      const { IPv4 } = rankBrokers(address, { IPv4: Object.fromEntries(entries) });
      expect(pool.rank(address).map((broker) => pool.hosts[broker])).toEqual(IPv4.map(({ host }) => host));
    }
  });

  it("count every destination in each of its places", () => {
    const load = measureLoad(poolOf("small", [1, 2, 1, 4]), 50, new Random(1, "load"));
    const total = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);
    expect([total(load.first), total(load.sent), total(load.listened)]).toEqual([50, 150, 200]);
  });

  it("find the newcomer's destinations moved, and no others", () => {
    const [joined, left] = measureMoves(churn(5, 1), 300, new Random(1, "moves"));
    expect(joined).toMatchObject({ from: 5, to: 6, idealFirst: 1 / 6, idealTop: 0.5, needless: 0 });
    expect(left).toMatchObject({ from: 5, to: 4, idealFirst: 1 / 5, needless: 0 });
    expect(left?.idealTop).toBeCloseTo(3 / 5);
    expect(Math.abs((joined?.first ?? 0) - 1 / 6)).toBeLessThan(0.06);
    expect(measureMoves(joinWeighted([1, 2], 3), 20, new Random(1, "weighted"))[0]?.idealFirst).toBe(0.5);
  });

  it("know what a hash modulo n moves", () => {
    for (const [from, to] of [
      [4, 6],
      [6, 4],
      [7, 8],
    ] as const) {
      const moved = Array.from({ length: from * to }, (_, hash) => hash % from !== hash % to);
      expect(moduloMoves({ from, to })).toBeCloseTo(moved.filter(Boolean).length / moved.length);
    }
  });
});

describe("the original's rule", () => {
  it("keeps as many as the protocol says", () => {
    expect([1, 2, 3, 4, 7, 8, 30].map(keptOf)).toEqual([1, 1, 1, 2, 2, 3, 3]);
  });

  it("keeps the fastest of the ten best that it reaches", () => {
    const ranking = [11, 3, 5, 0, 1, 2, 4, 6, 7, 8, 9, 10];
    const reach = ranking.map((_, broker) => broker !== 3);
    // 9 and 10 are the fastest, but not among the ten best.
    const delays = [4, 5, 6, 0, 7, 1, 8, 9, 10, 0, 0, 2];
    expect(kept(ranking, reach, delays)).toEqual([5, 11, 0]);
  });

  it("lets two peers miss each other as often as counted", () => {
    const everywhere = [true, true, true, true];
    const chosen = orders([0, 1, 2, 3]).map((delays) => kept([0, 1, 2, 3], everywhere, delays));
    const meetings = chosen.flatMap((a) => chosen.map((b) => a.some((broker) => b.includes(broker))));
    expect(meetings.filter(Boolean).length / meetings.length).toBeCloseTo(1 - 1 / choose(4, 2));
  });
});

describe("this library's rule", () => {
  const RANKING = [0, 1, 2, 3];
  const OWN = [3, 2, 1, 0];

  it("sends at once to the best three", () => {
    const sender = settled(OWN, [true, true, true, true]);
    expect(send(sender, RANKING, [true, true, true, true], RULES)).toEqual({
      arrivedAfterMs: PASSAGE_MS,
      by: 0,
      waves: 1,
      publishes: 3,
      acks: 3,
      dials: 0,
      connected: 0,
    });
  });

  it("goes down the ranking in waves, and repeats meanwhile", () => {
    const ranking = Array.from({ length: 12 }, (_, i) => i);
    const everywhere = ranking.map(() => true);
    const listens = ranking.map((broker) => broker === 11);
    const sender = settled(ranking, everywhere, { ...RULES, inboundBrokers: 12 });
    // Waves at 0, 400, 800 and 1200 ms; the nine of the first three are repeated at 1000 ms.
    expect(send(sender, ranking, listens, RULES)).toMatchObject({
      arrivedAfterMs: 3 * RULES.widenAfterMs + PASSAGE_MS,
      by: 11,
      waves: 4,
      publishes: 12 + 9,
      acks: 1,
    });
  });

  it("dials what it needs and keeps it", () => {
    const rules: Rules = { ...RULES, inboundBrokers: 1, reserveBrokers: 0 };
    const sender = settled(OWN, [true, false, true, true], rules);
    expect(sender.links).toEqual(["idle", "idle", "idle", "open"]);
    const listens = [true, false, false, false];
    expect(send(sender, RANKING, listens, rules)).toMatchObject({
      arrivedAfterMs: CONNECT_MS + PASSAGE_MS,
      by: 0,
      // The one that was connected is used at once; 2 is connected at the same time as 0.
      publishes: 3,
      dials: 3,
      connected: 2,
    });
    expect(sender.links).toEqual(["open", "waiting", "open", "open"]);
    expect(send(sender, [0, ...RANKING], listens, rules)).toMatchObject({
      arrivedAfterMs: PASSAGE_MS,
      dials: 0,
    });
  });

  it("delivers in every case in which the receiver listens where the sender gets", () => {
    for (const listened of [1, 2, 4]) {
      const rules: Rules = { ...RULES, inboundBrokers: 1, reserveBrokers: listened - 1 };
      let arrived = 0;
      for (const reached of patterns(4)) {
        const listens = settled(RANKING, reached, rules).links.map((state) => state === "open");
        expect(RANKING.filter((broker) => listens[broker])).toEqual(
          RANKING.filter((broker) => reached[broker]).slice(0, listened),
        );
        for (const reach of patterns(4)) {
          const sent = send(settled(OWN, reach, rules), RANKING, listens, rules);
          const possible = reach.some((its, broker) => its && listens[broker]);
          expect(sent.arrivedAfterMs !== undefined).toBe(possible);
          if (possible) arrived++;
        }
      }
      let chance = 0;
      for (let k = 0; k <= 4; k++) chance += binomial(4, k, 0.5) * (1 - 0.5 ** Math.min(k, listened));
      expect(arrived / 4 ** 4).toBeCloseTo(chance);
    }
  });

  it("holds brokers no further down than the library does", () => {
    const ranking = Array.from({ length: 70 }, (_, i) => i);
    const nowhere = ranking.map(() => false);
    const { links } = settled(ranking, nowhere);
    expect(links.filter((state) => state === "waiting")).toHaveLength(64);
  });
});

describe("arrival", () => {
  const arrivals = measureArrival(evenPool(12), { pairs: 100, draws: 5 }, new Random(1, "arrival"));
  const at = (reach: number): Arrival => {
    const arrival = arrivals.find((one) => one.reach === reach);
    if (arrival === undefined) throw new Error(`nothing at ${reach}`);
    return arrival;
  };

  it("is what was counted, up to chance", () => {
    for (const reach of [1, 0.5, 0.2]) {
      const { first, original, possible } = at(reach);
      let [library, fastest] = [0, 0];
      for (let r = 0; r <= 12; r++) library += binomial(12, r, reach) * (1 - (1 - reach) ** Math.min(r, 11));
      for (let r = 0; r <= 10; r++) {
        for (let s = 0; s <= 10; s++) {
          const [a, b] = [Math.min(r, 3), Math.min(s, 3)];
          const missed = choose(10 - a, b) / choose(10, b);
          fastest += binomial(10, r, reach) * binomial(10, s, reach) * (1 - missed);
        }
      }
      // Four standard deviations of 500 messages.
      const tolerance = (p: number): number => 4 * Math.sqrt((p * (1 - p)) / 500) + 1e-9;
      expect(Math.abs(first.arrived - library)).toBeLessThan(tolerance(library));
      expect(Math.abs(original.arrived - fastest)).toBeLessThan(tolerance(fastest));
      expect(Math.abs(possible - chanceOfCommon(12, reach))).toBeLessThan(tolerance(possible));
      expect(first.arrived).toBeLessThanOrEqual(possible);
    }
  });

  it("costs as little as it can where everything is reachable", () => {
    const { first, next, absent, original, agreeing, listened, listenedByOriginal } = at(1);
    expect([first.arrived, next.arrived, agreeing.arrived]).toEqual([1, 1, 1]);
    expect([listened, listenedByOriginal]).toEqual([11, 3]);
    expect([original.dials, original.connected, original.wasted]).toEqual([10, 3, 3]);
    // Every broker once; three waves again after 0.9 s, as far as they are connected by then, all four after 2 s.
    expect(absent.arrived).toBe(0);
    expect(absent.wasted).toBeGreaterThan(12 + 8 + 12);
    expect(absent.wasted).toBeLessThanOrEqual(12 + 9 + 12);
    expect(next.within(0.99)).toBe(PASSAGE_MS);
  });
});

describe("the model of a peer", () => {
  afterEach(() => {
    vi.useRealTimers();
    vi.restoreAllMocks();
  });

  it("does what the library's inbound set and delivery do", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
    // The longest pauses before a broker that does not answer is dialled again.
    vi.spyOn(Math, "random").mockReturnValue(1 - 2 ** -53);
    const random = new Random(1, "model");
    const source = addresses(random);
    let arrived = 0;
    for (const [size, reach] of [
      [11, 0.5],
      [30, 1],
      [30, 0.7],
      [30, 0.5],
      [30, 0.3],
      [30, 0.2],
      [100, 0.6],
      [100, 0.3],
    ] as const) {
      const pool = evenPool(size);
      for (let i = 0; i < 4; i++) {
        const rankings = { sender: pool.rank(source.next().value), receiver: pool.rank(source.next().value) };
        const pattern = (): boolean[] => pool.hosts.map(() => random.next() < reach);
        const its = pattern();
        const listens = settled(rankings.receiver, pattern()).links.map((state) => state === "open");

        const model = settled(rankings.sender, its);
        if (!model.links.includes("open")) continue;
        const real = await RealPeer.settled(pool, rankings.sender, its);
        expect(real.states()).toEqual(model.links);

        const sent = send(model, rankings.receiver, listens, RULES);
        expect(await real.send(rankings.receiver, listens)).toEqual({
          arrivedAfterMs: sent.arrivedAfterMs,
          by: sent.by,
          publishes: sent.publishes,
          acks: sent.acks,
          dials: sent.dials,
        });
        if (sent.arrivedAfterMs !== undefined) arrived++;
        await real.close();
      }
    }
    expect(arrived).toBeGreaterThan(20);
  });
});

/** The library's own parts, over links that are made up. */
class RealPeer {
  readonly #brokers: readonly Broker[];
  readonly #links: LinkSet;
  readonly #inbound: InboundSet;
  #onPublish: (broker: number) => void = () => {};

  static async settled(pool: Pool, ranking: readonly number[], reach: readonly boolean[]): Promise<RealPeer> {
    const peer = new RealPeer(pool, ranking, reach);
    const inAMoment = (slot: LinkSlot): boolean =>
      slot.state === "connecting" || (slot.state === "waiting" && slot.retryAt < monotonicNow() + 10_000);
    do await vi.advanceTimersByTimeAsync(10_000);
    while (peer.#links.slots().some(inAMoment));
    return peer;
  }

  private constructor(pool: Pool, ranking: readonly number[], reach: readonly boolean[]) {
    this.#brokers = pool.hosts.map((host) => ({ family: "IPv4", host, port: 1883, weight: 1 }));
    const openLink: OpenLink = async ({ broker, connectTimeoutMs, subscribers }) => {
      const index = pool.hosts.indexOf(broker.host);
      if (reach[index] !== true) {
        await later(connectTimeoutMs);
        throw new BrokerError("timeout", "no answer");
      }
      await later(CONNECT_MS);
      return openMadeUp(subscribers(), {
        publish: () => {
          this.#onPublish(index);
          return true;
        },
      });
    };
    const connections = makeConnections({ openLink, idleTimeoutMs: 600_000 });
    this.#links = makeLinks(connections, { onState: () => this.#inbound.changed() });
    const { inboundBrokers, reserveBrokers } = RULES;
    this.#inbound = new InboundSet(this.#links, {
      rankings: [this.#ranked(ranking)],
      inboundBrokers,
      reserveBrokers,
    });
    this.#inbound.start([]);
  }

  states(): string[] {
    return this.#brokers.map((broker) => this.#links.find(broker).state);
  }

  /** As `router.pipe` and `send` on it, where the destination listens on some brokers. */
  async send(
    ranking: readonly number[],
    listens: readonly boolean[],
  ): Promise<Pick<ReturnType<typeof send>, "arrivedAfterMs" | "by" | "publishes" | "acks" | "dials">> {
    const route = this.#ranked(ranking);
    const known = this.#links.slots().length;
    const startedAt = monotonicNow();
    for (const broker of route.slice(0, RULES.fanOut)) this.#links.dial(broker);
    const delivery = new Delivery({
      links: this.#links,
      to: "",
      payload: new Uint8Array(),
      route,
      fanOut: RULES.fanOut,
      arrivingMs: 0,
      onLeaving: () => {},
    });
    const outbox = new Outbox<Delivery>();
    const alarm = new Alarm((now) => {
      for (const { item, action } of outbox.due(now)) {
        if (action === "widen") item.widen();
        else if (action === "repeat") item.repeat();
        else item.stop(new Error("expired"));
      }
      return outbox.nextAt();
    });
    let [publishes, acks] = [0, 0];
    this.#onPublish = (index) => {
      publishes++;
      if (listens[index] !== true) return;
      acks++;
      void later(2 * PASSAGE_MS).then(() => {
        const slot = this.#links.slots().find(({ broker }) => broker.host === this.#brokers[index]?.host);
        if (slot !== undefined)
          delivery.acknowledge({ slot, timestamp: 0, isBare: false, at: monotonicNow() });
      });
    };
    alarm.set(
      outbox.add(
        delivery,
        { to: "", queueId: "", sequence: 0, newestFirst: false, answerMs: 0, leavingMs: 0, ...RULES },
        startedAt,
      ),
    );
    const acknowledged = delivery.run().then(
      ({ slot, at }) => ({
        arrivedAfterMs: Math.round(at - startedAt) - PASSAGE_MS,
        by: this.#brokers.findIndex(({ host }) => host === slot.broker.host),
      }),
      () => ({ arrivedAfterMs: undefined, by: undefined }),
    );
    const end = acknowledged.then((result) => {
      alarm.clear();
      return { ...result, publishes, acks, dials: this.#links.slots().length - known };
    });
    await vi.advanceTimersByTimeAsync(RULES.timeoutMs);
    return await end;
  }

  async close(): Promise<void> {
    this.#inbound.close(new BrokerError("lost", "closed"));
    await this.#links.close(false);
  }

  #ranked(ranking: readonly number[]): Broker[] {
    return ranking.flatMap((index) => this.#brokers[index] ?? []);
  }
}

function later(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

describe("what is written", () => {
  const told: string[] = [];
  const answers = answer(1, TINY, (what) => told.push(what));

  it("is the same for the same seed", () => {
    expect(tablesOf(answer(1, TINY, () => {}))).toEqual(tablesOf(answers));
    expect(tablesOf(answer(2, TINY, () => {}))).not.toEqual(tablesOf(answers));
    expect(told.length).toBeGreaterThan(0);
  });

  it("is plots of the same bytes each time, and small", () => {
    const charts = chartsOf(answers);
    expect(chartsOf(answers)).toEqual(charts);
    for (const { svg } of charts) {
      expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
      expect(svg).not.toContain("NaN");
      expect(svg.length).toBeLessThan(60_000);
    }
  });

  it("is tables in their places", () => {
    const table = { name: "one", title: "First", markdown: "| a |" };
    const text = "x\n<!-- table one -->\nold\n<!-- end -->\ny\n";
    const filled = "x\n<!-- table one -->\n**First**\n\n| a |\n<!-- end -->\ny\n";
    expect(withTables(text, [table])).toBe(filled);
    expect(withTables(filled, [table])).toBe(filled);
    expect(() => withTables(text, [])).toThrow("no table one");
    expect(() => withTables("", [table])).toThrow("no place for one");
  });

  it("is numbers that do not promise too much", () => {
    expect([percent(1, 1), percent(0.99951, 1), percent(0.9994, 1)]).toEqual(["100.0", "> 99.9", "99.9"]);
    expect([count(999), count(1000), count(1_234_567)]).toEqual(["999", "1 000", "1 234 567"]);
  });
});
