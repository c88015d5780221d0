import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Candidate } from "../src/candidates/candidate.js";
import type { DeviceState } from "../src/device/state.js";
import { INTRODUCED, LOOK_MS } from "../src/facts/constants.js";
import { FactWriter, readFacts, type Fact as Said } from "../src/facts/fact.js";
import { Gossip, type GossipMeans } from "../src/gossip.js";
import { type Prefix, parsePrefix } from "../src/ip/prefix.js";
import { linkLocalAddress } from "../src/overlay/link-local.js";
import type { Fact } from "../src/path/facts.js";
import { parseKey } from "../src/wireguard-key.js";
import { bytesOf, keyOf } from "./support/roster.js";

const OWN = bytesOf("own");
const HASH = bytesOf("roster");
const PATH = { name: "203.0.113.7:1", kind: "direct", isProven: true };

const addressOf = (name: string): string => linkLocalAddress(parseKey(keyOf(name)));

function place(port: number, address = "198.51.100.7"): Candidate {
  return { kind: "reflexive", endpoint: { address, family: 4, port }, ageS: 0 };
}

/** A peer of the host, as far as gossip sees it. */
class FakePeer {
  isReached = true;
  isAsleep = false;
  readonly taken: Fact[] = [];
  allowedIps: readonly Prefix[];

  constructor(name: string) {
    this.allowedIps = [`${addressOf(name)}/128`, "10.9.0.7/32"].flatMap((one) => parsePrefix(one) ?? []);
  }

  readonly machine = { snapshot: () => ({ path: this.isReached ? PATH : undefined }) };
  readonly take = (fact: Fact): void => void this.taken.push(fact);

  /** Where others said that it is, in the order in which it was told so. */
  get introduced(): number[] {
    return this.taken.flatMap((fact) =>
      fact.type === "introduced" ? fact.candidates.map(({ endpoint }) => endpoint.port) : [],
    );
  }
}

interface Sent {
  readonly to: string;
  readonly said: readonly Said[];
}

/** One host that gossips with peers a, b, c …, in a time that a test moves. */
class World {
  readonly peers = new Map<string, FakePeer>();
  readonly sent: Sent[] = [];
  readonly hashes: string[] = [];
  readonly warnings: string[] = [];
  readonly opened: string[] = [];
  readonly passed: string[] = [];
  publicKey = OWN;
  candidates: Candidate[] = [place(1)];
  linkLocals = vi.fn(async (): Promise<DeviceState> => ({ peers: [] }) as unknown as DeviceState);
  opens: string | undefined;
  isBroken = false;
  onFacts: (bytes: Uint8Array, from: string) => void = () => {};
  readonly gossip: Gossip;

  constructor(...names: readonly string[]) {
    for (const name of names) this.peers.set(keyOf(name), new FakePeer(name));
    const world = this;
    const nameOf = new Map(names.map((name) => [addressOf(name), name]));
    const means: GossipMeans = {
      interface: "wg0",
      peers: this.peers as unknown as GossipMeans["peers"],
      publicKey: () => this.publicKey,
      boot: () => 1n,
      // What is in this prefix is reached through the tunnel alone.
      addresses: {
        candidates: () => this.candidates,
        reachable: (some) => some.filter(({ endpoint }) => !endpoint.address.startsWith("10.9.")),
      },
      ...{ trust: new Map(), isMember: () => true, isAdmin: () => false, mayMeet: () => true },
      rosterHash: () => HASH,
      onRosterHash: (name, hash) => this.hashes.push(`${name} ${Buffer.from(hash).toString("hex")}`),
      useLinkLocals: () => this.linkLocals(),
      onState: () => {},
      onPassed: (name, direction, bytes) => this.passed.push(`${direction} ${name} ${bytes > 0}`),
      onWarning: (message) => this.warnings.push(message),
      open: async (address, device, onFacts) => {
        this.opened.push(`${address} ${device}`);
        if (this.opens !== undefined) return this.opens;
        this.onFacts = onFacts;
        this.isBroken = false;
        return {
          get isBroken() {
            return world.isBroken;
          },
          send: (bytes, to) =>
            void world.sent.push({ to: nameOf.get(to) ?? to, said: readFacts(bytes) ?? [] }),
          close: async () => {},
        };
      },
    };
    this.gossip = new Gossip(means);
  }

  peer(name: string): FakePeer {
    return this.peers.get(keyOf(name)) ?? expect.fail(name);
  }

  async meet(name: string): Promise<void> {
    this.gossip.met(keyOf(name));
    await settle();
  }

  /** A peer says facts, from its own address or another one. */
  says(name: string, facts: readonly Said[], from = addressOf(name)): void {
    const writer = new FactWriter(() => true);
    for (const fact of facts) writer.add(fact);
    for (const bytes of writer.datagrams()) this.onFacts(bytes, from);
  }

  /** A peer says that it is there, and where others are. */
  names(by: string, subject: string, ...ports: readonly number[]): void {
    this.says(by, [alive(by), ...ports.map((port) => located(subject, port))]);
  }
}

const alive = (name: string): Said => ({
  ...{ subject: keyOf(name), ttlS: 255, attribute: "alive", boot: 1n, wantsAll: false },
});
const located = (name: string, port: number, address?: string): Said => ({
  ...{ subject: keyOf(name), ttlS: 255, attribute: "candidate", ...place(port, address) },
});

/** What was begun is done. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("gossip", () => {
  it("begins with the first peer that is met, once, and tells it who is here and where", async () => {
    const world = new World("a", "b");
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.linkLocals).not.toHaveBeenCalled();
    expect(world.gossip.held).toBeUndefined();
    world.peer("b").isReached = false;
    await world.meet("a");
    await world.meet("a");
    expect(world.linkLocals).toHaveBeenCalledTimes(1);
    expect(world.opened).toEqual([`${linkLocalAddress(OWN)} wg0`]);
    expect(new Set(world.sent.map(({ to }) => to))).toEqual(new Set(["a"]));
    const said = world.sent.flatMap((one) => one.said.map(({ attribute }) => attribute));
    expect(new Set(said)).toEqual(new Set(["alive", "candidate", "roster"]));
    expect(world.passed).toContain(`sent ${keyOf("a")} true`);
    world.names("a", "a", 7);
    expect(world.gossip.isAlive(keyOf("a"))).toBe(true);
    expect(world.gossip.isAlive(keyOf("b"))).toBe(false);
    await world.gossip.close();
  });

  it("hears peers at their own addresses alone, as far as they have them", async () => {
    const world = new World("a", "b");
    await world.meet("a");
    world.says("a", [alive("a")], "fe80::1234");
    world.says("a", [alive("a")], addressOf("b"));
    expect(world.gossip.isAlive(keyOf("a"))).toBe(false);
    world.peer("a").allowedIps = [];
    world.says("a", [alive("a")]);
    expect(world.gossip.isAlive(keyOf("a"))).toBe(false);
    await world.gossip.close();
  });

  it("tries what a peer says of another one, unless a path leads there, or the place is behind the tunnel", async () => {
    const world = new World("a", "b", "c");
    world.peer("b").isReached = false;
    await world.meet("a");
    world.says("a", [alive("a"), located("b", 5), located("b", 6, "10.9.0.9"), located("c", 7)]);
    expect(world.peer("b").introduced).toEqual([5]);
    expect(world.peer("c").introduced).toEqual([]);
    await world.gossip.close();
  });

  it("tries what a peer said before, as soon as the path to the other one is lost", async () => {
    const world = new World("a", "b");
    await world.meet("a");
    await vi.advanceTimersByTimeAsync(LOOK_MS);
    world.names("a", "b", 5, 6);
    expect(world.peer("b").introduced).toEqual([]);
    world.peer("b").isReached = false;
    await vi.advanceTimersByTimeAsync(LOOK_MS);
    expect(world.peer("b").introduced).toEqual([5, 6]);
    await world.gossip.close();
  });

  it("tries all that a peer names, one after the other, without its saying so again", async () => {
    const names = Array.from({ length: 40 }, (_, i) => `m${i}`);
    const world = new World("a", ...names);
    for (const name of names) world.peer(name).isReached = false;
    await world.meet("a");
    world.says(
      "a",
      names.flatMap((name, i) => [1, 2, 3].map((j) => located(name, 3 * i + j))),
    );
    const tried = (): number[] => names.flatMap((name) => world.peer(name).introduced);
    expect(tried()).toHaveLength(INTRODUCED.burst);
    const rest = (3 * names.length - INTRODUCED.burst) / INTRODUCED.perSecond;
    await vi.advanceTimersByTimeAsync(rest * 1000 + LOOK_MS);
    expect(tried()).toEqual(Array.from({ length: 3 * names.length }, (_, i) => i + 1));
    await world.gossip.close();
  });

  it("forgets what waits for a peer that is reached by then, or is none any more", async () => {
    const world = new World("a", "b", "c");
    for (const name of ["b", "c"]) world.peer(name).isReached = false;
    await world.meet("a");
    const many = (first: number): number[] => Array.from({ length: 30 }, (_, i) => first + i);
    // Both are named until nothing may be tried any more.
    world.names("a", "b", ...many(1));
    world.names("a", "b", ...many(1));
    world.names("a", "b", ...many(1));
    world.names("a", "c", ...many(100));
    expect(world.peer("c").introduced).toEqual([]);
    world.peer("b").isReached = true;
    world.gossip.forget(keyOf("c"));
    const before = world.peer("b").introduced.length;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(world.peer("b").introduced).toHaveLength(before);
    expect(world.peer("c").introduced).toEqual([]);
    await world.gossip.close();
  });

  it("says what a peer knows of the roster", async () => {
    const world = new World("a");
    await world.meet("a");
    const value = bytesOf("another roster");
    world.says("a", [{ subject: keyOf("a"), ttlS: 255, attribute: "roster", hash: value }]);
    expect(world.hashes).toEqual([`${keyOf("a")} ${Buffer.from(value).toString("hex")}`]);
    await world.gossip.close();
  });

  it("says why there is none: no IPv6, or another program at its port; and goes on as soon as it can", async () => {
    const off = new World("a");
    off.linkLocals.mockRejectedValueOnce(new Error("it is off"));
    await off.meet("a");
    expect(off.gossip.trouble).toContain("wg0 gets no link-local addresses (it is off)");
    expect(off.warnings).toEqual([off.gossip.trouble]);
    await off.gossip.close();

    const world = new World("a");
    world.opens = "EADDRINUSE";
    await world.meet("a");
    await vi.advanceTimersByTimeAsync(3 * LOOK_MS);
    await settle();
    expect(world.warnings).toEqual([expect.stringContaining("another program has it")]);
    world.opens = undefined;
    await vi.advanceTimersByTimeAsync(2 * LOOK_MS);
    expect(world.gossip.trouble).toBeUndefined();
    expect(world.sent.length).toBeGreaterThan(0);
    await world.gossip.close();
  });

  it("opens another socket when the interface was gone, or has another key, and says all again", async () => {
    const world = new World("a");
    await world.meet("a");
    await vi.advanceTimersByTimeAsync(4 * LOOK_MS);
    world.isBroken = true;
    let before = world.sent.length;
    await vi.advanceTimersByTimeAsync(2 * LOOK_MS);
    expect(world.opened).toHaveLength(2);
    expect(world.sent.length).toBeGreaterThan(before);
    world.publicKey = bytesOf("new key");
    before = world.sent.length;
    await vi.advanceTimersByTimeAsync(2 * LOOK_MS);
    expect(world.opened[2]).toBe(`${linkLocalAddress(world.publicKey)} wg0`);
    expect(world.sent.length).toBeGreaterThan(before);
    await world.gossip.close();
  });

  it("tells news at once, says all again after a sleep, and nothing once it is closed", async () => {
    const world = new World("a");
    await world.meet("a");
    await vi.advanceTimersByTimeAsync(4 * LOOK_MS);
    const ports = (): number[] =>
      world.sent
        .splice(0)
        .flatMap(({ said }) => said)
        .flatMap((fact) => (fact.attribute === "candidate" ? [fact.endpoint.port] : []));
    ports();
    await vi.advanceTimersByTimeAsync(2 * LOOK_MS);
    expect(ports()).toEqual([]);
    world.candidates = [place(2)];
    world.gossip.changed();
    expect(ports()).toEqual([2]);
    world.gossip.again();
    expect(ports()).toEqual([2]);
    await world.gossip.close();
    world.candidates = [place(3)];
    world.gossip.changed();
    world.gossip.met(keyOf("a"));
    await vi.advanceTimersByTimeAsync(10 * LOOK_MS);
    expect(ports()).toEqual([]);
  });
});
