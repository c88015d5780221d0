import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { expectNothingWrong } from "./ledger.js";
import { randomOf, seed } from "./random.js";
import { inboxes, outboxes, windows } from "./registry.js";
import { report } from "./report.js";
import { VirtualClock } from "./virtual-clock.js";
import { HOUR_MS, type State, World } from "./world.js";

vi.mock("../../src/brokers/broker-link.js", async () => {
  const { network } = await import("./memory-network.js");
  return { openLink: network.openLink };
});

// The real ones, which tell that they are there.
vi.mock("../../src/receiving/replay-window.js", async (importOriginal) => {
  const real = await importOriginal<typeof import("../../src/receiving/replay-window.js")>();
  class ReplayWindow extends real.ReplayWindow {
    constructor(...args: ConstructorParameters<typeof real.ReplayWindow>) {
      super(...args);
      windows.add(this);
    }
  }
  return { ...real, ReplayWindow };
});
vi.mock("../../src/receiving/inbox.js", async (importOriginal) => {
  const real = await importOriginal<typeof import("../../src/receiving/inbox.js")>();
  class Inbox<T> extends real.Inbox<T> {
    constructor(...args: ConstructorParameters<typeof real.Inbox<T>>) {
      super(...args);
      inboxes.add(this);
    }
  }
  return { ...real, Inbox };
});
vi.mock("../../src/sending/outbox.js", async (importOriginal) => {
  const real = await importOriginal<typeof import("../../src/sending/outbox.js")>();
  class Outbox<T> extends real.Outbox<T> {
    constructor() {
      super();
      outboxes.add(this);
    }
  }
  return { ...real, Outbox };
});

/** What is bounded gets a bound that is reached in an hour instead of weeks: full when it is first looked at. */
vi.mock("../../src/base/bounded-map.js", async (importOriginal) => {
  const real = await importOriginal<typeof import("../../src/base/bounded-map.js")>();
  class BoundedMap<K, V> extends real.BoundedMap<K, V> {
    constructor(max: number) {
      super(Math.ceil(max / 64));
    }
  }
  return { BoundedMap };
});

/** Closed routers that the engine itself may hold a little longer, while it compiles what they ran. */
const HELD_BY_ENGINE = 2;

const PEERS = 50;
const BROKERS = 20;

describe("a day in simulated time", () => {
  const clock = new VirtualClock();
  beforeEach(() => clock.install());
  afterEach(() => clock.uninstall());

  it("ends as it began: timers, links, memory", { timeout: 300_000 }, async () => {
    const world = new World(clock, randomOf(seed));
    await world.populate(PEERS, BROKERS);
    await world.liveUntil(3 * HOUR_MS);
    const morning = await world.observe();
    await world.liveUntil(24 * HOUR_MS);
    const evening = await world.observe();
    const { counts, stayed, churn } = world;
    await world.end();
    const end = await world.observe();
    clock.uninstall();
    const tell = (what: keyof State): string =>
      `${what} ${[morning, evening, end].map((state) => Math.round(state[what])).join(" → ")}`;
    await report(
      "7 a day in simulated time: 50 peers, churn",
      `${BROKERS} in memory`,
      counts,
      `${stayed.acknowledged} of ${stayed.sent} between peers that stayed; brokers failed ${churn.brokers} times, peers left ${churn.peers} times; after 3 h → after 24 h → all closed: ${(["timers", "links", "queues", "remembered", "heapMb"] as const).map(tell).join(", ")}`,
    );

    expectNothingWrong(counts);
    expect(stayed.acknowledged).toBe(stayed.sent);
    expect(churn.brokers).toBeGreaterThan(30);
    expect(churn.peers).toBeGreaterThan(30);
    expect(morning).toMatchObject({ peers: PEERS, held: 0, inFlight: 0 });
    const { peers, timers, links, slots, held, inFlight } = morning;
    expect(evening).toMatchObject({ peers, timers, links, slots, held, inFlight });
    expect(evening.routers).toBeLessThanOrEqual(PEERS + HELD_BY_ENGINE);
    expect(evening.remembered).toBeLessThan(2 * morning.remembered);
    expect(evening.queues).toBeLessThan(1.5 * morning.queues);
    expect(evening.heapMb).toBeLessThan(1.2 * morning.heapMb);
    expect(end).toMatchObject({ timers: 0, links: 0 });
    expect(end.routers).toBeLessThanOrEqual(HELD_BY_ENGINE);
  });
});
