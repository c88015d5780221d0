import { expect, it, vi } from "vitest";
import { LEARN_MS, MEET_FIRST, Meeting } from "../src/meeting.js";
import type { Fact } from "../src/path/facts.js";
import type { Snapshot } from "../src/path/snapshot.js";
import { Telling } from "../src/telling.js";

const NONE: Snapshot = { state: "probing", path: undefined, others: [], reason: "none yet" };

const withPath = (isProven: boolean): Snapshot => ({
  ...NONE,
  state: "direct",
  path: { name: "192.0.2.1:51820", kind: "nat", roundTripMs: 1, isProven, sinceMs: 0 },
});

interface Given {
  readonly snapshot?: Snapshot;
  readonly refresh?: () => Promise<void>;
  readonly isTold?: boolean;
  readonly meeting?: Meeting;
}

/** One peer, whose name is "ben", and what becomes of what it is told. */
function telling(given: Given = {}) {
  const { snapshot = NONE, refresh = async () => {}, isTold = true, meeting = new Meeting(() => 0) } = given;
  const sent: string[] = [];
  const facts: Fact[] = [];
  let announce = 0;
  const told = new Telling({
    addresses: { nat: "stable", candidates: () => [], refresh },
    relayedFor: () => [],
    announcer: { changed: () => {}, write: () => Uint8Array.of(++announce) },
    prober: {
      tell: async (_name, _endpoint, bytes) => {
        sent.push(`path ${bytes[0]}`);
        return isTold;
      },
    },
    peers: new Map([
      [
        "ben",
        {
          machine: { snapshot: () => snapshot },
          channel: {
            send: async (bytes: Uint8Array) => {
              sent.push(`brokers ${bytes[0]}`);
              return true;
            },
          },
          take: (fact: Fact) => void facts.push(fact),
        },
      ],
    ]),
    meeting,
    onChanged: () => {},
    onLeaving: () => {},
  });
  return { told, sent, facts };
}

const never = (): Promise<void> => new Promise(() => {});

it("holds the first announce back until STUN servers have answered, and for no longer than 200 ms", async () => {
  vi.useFakeTimers();
  const { told, sent } = telling();
  await told.tell("ben");
  await told.tell("ben");
  told.start(never());
  await vi.advanceTimersByTimeAsync(199);
  expect(sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(sent).toEqual(["brokers 1"]);
  told.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

it("sends it as soon as they have", async () => {
  const { told, sent } = telling();
  await told.tell("ben");
  told.start(Promise.resolve());
  await vi.waitFor(() => expect(sent).toEqual(["brokers 1"]));
  told.close();
});

it("goes by the path in use, and by the brokers when that does not answer or is not proven", async () => {
  for (const [given, expected] of [
    [{ snapshot: withPath(true) }, ["path 1"]],
    [{ snapshot: withPath(true), isTold: false }, ["path 1", "brokers 1"]],
    [{ snapshot: withPath(false) }, ["brokers 1"]],
  ] as const) {
    const { told, sent } = telling(given);
    told.start(Promise.resolve());
    await Promise.resolve();
    await told.tell("ben");
    expect(sent).toEqual(expected);
    told.close();
  }
});

it("does not wait for a STUN server that is down, while no path works", async () => {
  const { told, sent } = telling({ refresh: never });
  told.start(Promise.resolve());
  await Promise.resolve();
  const startedAt = performance.now();
  await told.tell("ben");
  expect(sent).toEqual(["brokers 1"]);
  expect(performance.now() - startedAt).toBeGreaterThan(150);
  told.close();
});

it("tells changes together, once things have settled", async () => {
  vi.useFakeTimers();
  const { told, facts } = telling();
  told.start(Promise.resolve());
  await vi.advanceTimersByTimeAsync(0);
  for (let i = 0; i < 5; i++) {
    told.changed();
    await vi.advanceTimersByTimeAsync(400);
  }
  expect(facts).toEqual([]);
  await vi.advanceTimersByTimeAsync(100);
  expect(facts).toEqual([{ type: "own-candidates" }]);
  told.changed();
  told.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});

it("knows nothing of peers that are gone, and tells nobody after its end", async () => {
  const { told, sent } = telling();
  told.start(Promise.resolve());
  await Promise.resolve();
  await told.tell("nobody");
  told.close();
  await told.tell("ben");
  expect(sent).toEqual([]);
});

it("tells over the brokers whoever else may have the peer's key, though a path works", async () => {
  const { told, sent } = telling({ snapshot: withPath(true) });
  await told.tellOverBrokers("ben");
  expect(sent).toEqual(["brokers 1"]);
  told.close();
  await told.tellOverBrokers("ben");
  expect(sent).toHaveLength(1);
});

it("waits for a peer's turn over the brokers in a large mesh, and for no path", async () => {
  vi.useFakeTimers();
  const others = Array.from({ length: 40 }, (_, i) => `peer ${i}`);
  const late = (): Meeting => {
    const meeting = new Meeting(() => 0.5);
    meeting.set(
      [...others, "ben"],
      (name) => others.indexOf(name) < MEET_FIRST && name !== "ben",
      performance.now(),
    );
    return meeting;
  };
  const { told, sent } = telling({ meeting: late() });
  told.start(Promise.resolve());
  await vi.advanceTimersByTimeAsync(0);
  await told.tell("ben");
  await vi.advanceTimersByTimeAsync(LEARN_MS);
  expect(sent).toEqual([]);
  await vi.advanceTimersByTimeAsync(300_000 - LEARN_MS);
  expect(sent).toEqual(["brokers 1"]);
  told.close();
  const reached = telling({ meeting: late(), snapshot: withPath(true) });
  reached.told.start(Promise.resolve());
  await vi.advanceTimersByTimeAsync(0);
  await reached.told.tell("ben");
  expect(reached.sent).toEqual(["path 1"]);
  reached.told.close();
  expect(vi.getTimerCount()).toBe(0);
  vi.useRealTimers();
});
