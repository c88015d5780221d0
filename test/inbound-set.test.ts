import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { BrokerError } from "../src/base/errors.js";
import { InboundSet } from "../src/brokers/inbound-set.js";
import type { BrokerLink, LinkOptions } from "../src/brokers/link.js";
import type { LinkSet } from "../src/brokers/link-set.js";
import type { Broker } from "../src/wire/broker-pool.js";
import { makeConnections, makeLinks, openMadeUp } from "./support/links.js";

/** A dial that the test decides about. */
interface Dial {
  readonly host: string;
  /** Says whether its address has answered. */
  reach(isAnswering: boolean): void;
  open(): Promise<void>;
  fail(): Promise<void>;
}

/** Lets promises go on; no timer fires. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An inbound set on so many brokers, best first, and the dials so far. */
function startSet(count: number, remembered: readonly Broker[] = []) {
  const ranking = Array.from({ length: count }, (_, i) => brokerAt(`b${i}`));
  const dials: Dial[] = [];
  const openLink = ({ broker, subscribers, onReach }: LinkOptions): Promise<BrokerLink> =>
    new Promise((resolve, reject) => {
      dials.push({
        host: broker.host,
        reach: (isAnswering) => onReach?.(isAnswering),
        open: () => {
          resolve(openMadeUp(subscribers()));
          return settle();
        },
        fail: () => {
          reject(new BrokerError("unreachable", "connection refused"));
          return settle();
        },
      });
    });
  const links: LinkSet = makeLinks(makeConnections({ openLink }), {
    onState: () => inbound.changed(),
    onSilent: () => inbound.changed(),
  });
  const inbound = new InboundSet(links, { rankings: [ranking], inboundBrokers: 3, reserveBrokers: 8 });
  inbound.start(remembered);
  const hosts = (): string => dials.map(({ host }) => host).join(" ");
  return { dials, hosts };
}

function brokerAt(host: string): Broker {
  return { family: "IPv4", host, weight: 1, port: 1883 };
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a start", () => {
  it("dials one after the other while nothing is known of the network", () => {
    const { hosts } = startSet(11);
    expect(hosts()).toBe("b0");
    vi.advanceTimersByTime(9);
    expect(hosts()).toBe("b0");
    vi.advanceTimersByTime(1);
    expect(hosts()).toBe("b0 b1");
    vi.advanceTimersByTime(10);
    expect(hosts()).toBe("b0 b1 b2");
  });

  it("does not wait for brokers that are silent", () => {
    const { dials, hosts } = startSet(11);
    for (let i = 0; i < 11; i++) dials[i]?.reach(false);
    expect(hosts()).toBe("b0 b1 b2 b3 b4 b5 b6 b7 b8 b9 b10");
  });

  it("does not wait for brokers that refuse", async () => {
    const { dials, hosts } = startSet(4);
    await dials[0]?.fail();
    await dials[1]?.fail();
    expect(hosts()).toBe("b0 b1 b2");
  });

  it("lets the first that answers have the time to itself", () => {
    const { dials, hosts } = startSet(11);
    dials[0]?.reach(false);
    dials[1]?.reach(false);
    dials[0]?.reach(true);
    dials[2]?.reach(false);
    expect(hosts()).toBe("b0 b1 b2");
    vi.advanceTimersByTime(10);
    expect(hosts()).toBe("b0 b1 b2 b3");
  });

  it("goes on when the one that answered says no more", () => {
    const { dials, hosts } = startSet(11);
    dials[0]?.reach(true);
    vi.advanceTimersByTime(10);
    dials[1]?.reach(false);
    expect(hosts()).toBe("b0 b1 b2");
  });

  it("dials no more at once than it listens on, however silent they are", () => {
    const { dials, hosts } = startSet(64);
    for (let i = 0; i < 64; i++) dials[i]?.reach(false);
    expect(hosts().split(" ")).toHaveLength(11);
  });

  it("takes its time for the reserve", async () => {
    const { dials, hosts } = startSet(11);
    for (const i of [0, 1, 2]) {
      dials[i]?.reach(false);
      dials[i]?.reach(true);
      await dials[i]?.open();
      vi.advanceTimersByTime(10);
    }
    const before = hosts();
    dials.at(-1)?.reach(false);
    vi.advanceTimersByTime(50);
    expect(hosts()).toBe(before);
    vi.advanceTimersByTime(100);
    expect(hosts()).not.toBe(before);
  });

  it("waits for the broker of last time as for the first of the ranking", () => {
    const { dials, hosts } = startSet(3, [brokerAt("last")]);
    expect(hosts()).toBe("last");
    dials[0]?.reach(false);
    expect(hosts()).toBe("last b0");
  });
});
