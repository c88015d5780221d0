import { afterEach, describe, expect, it, vi } from "vitest";
import type { Candidate } from "../src/candidates/candidate.js";
import type { DevicePeer } from "../src/device/state.js";
import { DestinationBudget } from "../src/path/budget.js";
import { PathMachine } from "../src/path/machine.js";
import { Tier } from "../src/path/tiers.js";
import { Peer } from "../src/peer.js";

const PLACE = "203.0.113.9:51820";
const KNOWN: Candidate = {
  ...{ kind: "host", ageS: 0, endpoint: { address: "203.0.113.9", family: 4, port: 51_820 } },
};
const VIEW = { isProven: false, isChosen: false, asksForHandshake: false } as const;

const SHOWN: DevicePeer = {
  ...{ publicKey: "B", presharedKey: undefined, endpoint: undefined, endpointText: undefined },
  ...{ allowedIps: [], lastHandshake: undefined, receivedBytes: 0, sentBytes: 0, keepaliveS: 0 },
};

/** A peer, and what was done for it. */
function watched(): { peer: Peer; done: string[] } {
  const done: string[] = [];
  const makeMachine = (): PathMachine =>
    new PathMachine({
      ...{ isDecider: true, tierOf: () => Tier.Reflexive, random: () => 0 },
      destinations: new DestinationBudget(),
    });
  const channel = { send: async () => true } as unknown as Peer["channel"];
  const peer = new Peer(SHOWN, makeMachine, channel, {
    probe: (path) => done.push(`probe ${path}`),
    use: (path) => done.push(`use ${path}`),
    announce: () => done.push("announce"),
    relay: () => done.push("relay"),
    relayOf: () => undefined,
    turnOf: () => undefined,
    changed: () => {},
    woken: () => {
      done.push("woken");
      return [KNOWN];
    },
  });
  peers.push(peer);
  return { peer, done };
}

const peers: Peer[] = [];

afterEach(() => {
  for (const peer of peers.splice(0)) peer.close();
  vi.useRealTimers();
});

describe("a peer that sleeps", () => {
  it("is told nothing and asked nothing, whatever happens here and however long it takes", () => {
    vi.useFakeTimers();
    const { peer, done } = watched();
    peer.take({ type: "candidates", candidates: [KNOWN], isNews: true, wantsAnswer: false });
    expect(done).toContain("announce");
    done.length = 0;
    peer.sleep();
    peer.take({ type: "own-candidates" });
    peer.take({ type: "network-changed" });
    peer.take({ type: "introduced", candidates: [KNOWN] });
    peer.take({ type: "candidates", candidates: [KNOWN], isNews: false, wantsAnswer: false });
    peer.look({ ...SHOWN, sentBytes: 148 }, Date.now());
    vi.advanceTimersByTime(3_600_000);
    expect(done).toEqual([]);
    expect(peer.info(Date.now())).toMatchObject({ state: "asleep", path: undefined, sentBytes: 148 });
    expect(peer.wants).toBe("rare");
    expect(peer.isHealthy(performance.now())).toBe(true);
  });

  it("is probed where it was, and told, once it is wanted", () => {
    const { peer, done } = watched();
    peer.sleep();
    peer.wake();
    expect(done).toEqual(["woken", `probe ${PLACE}`, "announce"]);
    peer.wake();
    expect(done.filter((one) => one === "woken")).toHaveLength(1);
    expect(peer.isHealthy(performance.now())).toBe(false);
  });

  it("is woken by what it says itself, and by its probes, but not by those from before", () => {
    vi.useFakeTimers();
    const { peer } = watched();
    peer.sleep();
    vi.advanceTimersByTime(2_000);
    peer.take({ type: "probed", path: PLACE, view: VIEW });
    expect(peer.isAsleep).toBe(true);
    vi.advanceTimersByTime(2_000);
    peer.take({ type: "probed", path: PLACE, view: VIEW });
    expect(peer.isAsleep).toBe(false);
    peer.sleep();
    peer.take({ type: "candidates", candidates: [KNOWN], isNews: true, wantsAnswer: true });
    expect(peer.isAsleep).toBe(false);
  });

  it("knows of the NATs what was said meanwhile", () => {
    const { peer } = watched();
    peer.sleep();
    peer.take({ type: "nat", own: "unknown", peer: "symmetric" });
    peer.take({ type: "nat", own: "symmetric", peer: undefined });
    peer.wake();
    expect(peer.info(Date.now()).reason).toContain("both NATs change their port");
  });
});

describe("a peer that WireGuard had a session with before a start", () => {
  const session = {
    ...{ ...SHOWN, endpointText: PLACE, receivedBytes: 500, sentBytes: 500 },
    lastHandshake: Date.now() / 1000 - 60,
  };
  const isHealthy = (peer: Peer): boolean => peer.isHealthy(performance.now());

  it("can be reached, as far as anybody knows, but for what a router has: that waits for an answer", () => {
    const { peer } = watched();
    peer.look(session, Date.now());
    expect([peer.info(Date.now()).state, isHealthy(peer)]).toEqual(["direct", true]);
    const taken = watched().peer;
    taken.look({ ...session, withheld: [] }, Date.now());
    expect([taken.info(Date.now()).state, isHealthy(taken)]).toEqual(["direct", false]);
    taken.take({ type: "answered", path: PLACE, roundTripMs: 5, view: VIEW });
    expect(isHealthy(taken)).toBe(true);
  });

  it("cannot be reached when the session is old", () => {
    const { peer } = watched();
    peer.look({ ...session, lastHandshake: Date.now() / 1000 - 170 }, Date.now());
    expect([peer.info(Date.now()).state, isHealthy(peer)]).toEqual(["direct", false]);
  });
});
