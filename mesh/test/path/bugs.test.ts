import { describe, expect, it } from "vitest";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { DestinationBudget } from "../../src/path/budget.js";
import type { Fact, Step, View } from "../../src/path/facts.js";
import { PathMachine } from "../../src/path/machine.js";
import { Session } from "../../src/path/session.js";
import { Tier, tiersOf } from "../../src/path/tiers.js";
import { isData, WireGuardWatch } from "../../src/path/wireguard-watch.js";
import { decided, most } from "./world/history.js";
import { type Network, networkOf } from "./world/network.js";
import { World } from "./world/world.js";

/** What users of other meshes reported, each as a small history. */

const network = (world: World, host: 0 | 1): Network => networkOf(world.hosts[host].wireGuard.endpoint ?? "");
const isOver = (world: World, wanted: Network): boolean =>
  world.isConnected && network(world, 0) === wanted && network(world, 1) === wanted;

function met(hosts: ConstructorParameters<typeof World>[0]["hosts"], seed = 1): World {
  const world = new World({ seed, hosts });
  world.runUntil(40_000);
  expect(world.isConnected).toBe(true);
  return world;
}

/** A machine alone, and its clock. */
function alone(isDecider = true): { machine: PathMachine; tell: (fact: Fact, now: number) => Step } {
  const machine = new PathMachine({
    isDecider,
    tierOf: tiersOf([]),
    destinations: new DestinationBudget(),
    random: () => 0.5,
  });
  return { machine, tell: (fact, now) => machine.step(fact, now) };
}

const VIEW = { isProven: true, isChosen: false, asksForHandshake: false } as const;
const candidates = (...ports: number[]): Fact => ({
  type: "candidates",
  candidates: ports.map((port) => ({
    kind: "reflexive",
    endpoint: { address: "203.0.113.1", family: 4, port },
    ageS: 0,
  })),
  isNews: true,
  wantsAnswer: true,
});

describe("reports of the field", () => {
  it("1: a try never touches the endpoint", () => {
    const { tell } = alone();
    tell(candidates(1, 2, 3), 0);
    for (let now = 10; now < 60_000; now += 250) {
      for (const decision of tell({ type: "time" }, now).decisions) expect(decision.type).not.toBe("use");
    }
  });

  it("2: a lossy path is not left and taken in turns", () => {
    const world = met([
      { ipv6: "restricted", ipv4: "restricted" },
      { ipv6: "restricted", ipv4: "restricted" },
    ]);
    for (const host of world.hosts) host.hasTraffic = true;
    world.link(0, "ipv6").loss = 0.4;
    const from = world.now;
    world.runUntil(from + 180_000);
    const paths = decided(world.hosts[0], "use").flatMap(({ at, decision }) =>
      at < from ? [] : [decision.path],
    );
    const changes = paths.filter((path, i) => i > 0 && path !== paths[i - 1]).length;
    expect(changes).toBeLessThanOrEqual(2);
  });

  it("6: a path that works one way does not keep WireGuard", () => {
    const world = new World({
      seed: 1,
      hosts: [
        { lan: "open", ipv4: "restricted" },
        { lan: "open", ipv4: "restricted" },
      ],
    });
    world.link(1, "lan").isCut = true;
    world.runUntil(20_000);
    expect(isOver(world, "ipv4")).toBe(true);
    world.runUntil(100_000);
    expect(isOver(world, "ipv4")).toBe(true);
  });

  it.each([0, 1] as const)("7: packets of host %i are dropped on the path in use: both leave it", (host) => {
    const world = met([
      { lan: "open", ipv4: "restricted" },
      { lan: "open", ipv4: "restricted" },
    ]);
    for (const each of world.hosts) each.hasTraffic = true;
    world.runUntil(world.now + 6_000);
    world.link(host, "lan").isCut = true;
    expect(world.runTill(() => isOver(world, "ipv4"), world.now + 15_000)).toBeDefined();
  });

  it.each([
    ["slow", 20],
    ["fast", 1],
  ])(
    "8: a dead LAN is left within 15 s, and taken again within 60 s where the other path is %s",
    (_, ipv4) => {
      const hosts = [
        { lan: "open", ipv4: "restricted" },
        { lan: "open", ipv4: "restricted" },
      ] as const;
      const world = new World({ seed: 1, hosts, delays: { ipv4 } });
      world.runUntil(40_000);
      for (const each of world.hosts) each.hasTraffic = true;
      world.runUntil(world.now + 6_000);
      for (const host of [0, 1] as const) world.link(host, "lan").isCut = true;
      expect(world.runTill(() => isOver(world, "ipv4"), world.now + 15_000)).toBeDefined();
      world.runUntil(world.now + 40_000);
      for (const host of [0, 1] as const) world.link(host, "lan").isCut = false;
      expect(world.runTill(() => isOver(world, "lan"), world.now + 60_000)).toBeDefined();
    },
  );

  it.each([0, 1] as const)(
    "11: probes pass, data of host %i does not: left within 15 s, and not soon tried again",
    (host) => {
      const world = new World({
        seed: 1,
        hosts: [
          { lan: "open", ipv4: "restricted" },
          { lan: "open", ipv4: "restricted" },
        ],
      });
      for (const each of world.hosts) each.hasTraffic = true;
      world.link(host, "lan").filtersData = true;
      const at = world.runTill(() => isOver(world, "ipv4"), 16_000);
      expect(at).toBeDefined();
      world.runUntil((at ?? 0) + 45_000);
      expect(isOver(world, "ipv4")).toBe(true);
    },
  );

  it("14: the uplink became another: back within 5 s", () => {
    const world = met([{ ipv4: "restricted" }, { ipv4: "restricted" }]);
    world.hosts[0].renumber("ipv4", true);
    expect(world.runTill(() => world.isConnected, world.now + 5_000)).toBeDefined();
  });

  it("15: an outage without any sign, of five minutes: back within 60 s", () => {
    const world = met([{ ipv4: "restricted" }, { ipv4: "restricted" }]);
    for (const host of [0, 1] as const) world.link(host, "ipv4").isCut = true;
    world.runUntil(world.now + 300_000);
    expect(world.hosts[0].machine.snapshot(world.now).state).toBe("lost");
    for (const host of [0, 1] as const) world.link(host, "ipv4").isCut = false;
    expect(world.runTill(() => world.isConnected, world.now + 62_000)).toBeDefined();
  });

  it("17: the LAN is chosen, whatever came first", () => {
    const world = new World({
      seed: 1,
      hosts: [
        { lan: "open", ipv4: "open" },
        { lan: "open", ipv4: "open" },
      ],
      delays: { lan: 40, ipv4: 1 },
    });
    expect(world.runTill(() => isOver(world, "lan"), 5_000)).toBeDefined();
  });

  it.each([0, 1] as const)(
    "23: host %i starts again with a clock that is behind, its initiations are refused: back within 15 s",
    (host) => {
      const world = met([{ ipv4: "restricted" }, { ipv4: "restricted" }]);
      world.hosts[host === 0 ? 1 : 0].wireGuard.refusesInitiations = true;
      world.hosts[host].restart(true);
      expect(world.runTill(() => world.isConnected, world.now + 15_000)).toBeDefined();
    },
  );

  it("29: with a session, the endpoint is switched without a new peer; without, with one", () => {
    const world = met([
      { lan: "open", ipv4: "open" },
      { lan: "open", ipv4: "open" },
    ]);
    for (const host of [0, 1] as const) world.link(host, "lan").isCut = true;
    world.runUntil(world.now + 60_000);
    const [first, ...others] = decided(world.hosts[0], "use");
    expect(first?.decision.isFresh).toBe(true);
    expect(others.length).toBeGreaterThan(0);
    expect(others.every(({ decision }) => !decision.isFresh)).toBe(true);
  });

  it("33: blocked UDP is probed rarely, and the brokers are not flooded", () => {
    const { machine, tell } = alone();
    tell({ type: "nat", own: "blocked", peer: "stable" }, 0);
    tell(candidates(1, 2), 1);
    let [now, probes, announces, steps] = [2, 0, 0, 0];
    while (now < 3_600_000) {
      const { decisions, nextAt } = tell({ type: "time" }, now);
      for (const decision of decisions) {
        if (decision.type === "probe") probes += decision.probes.length;
        if (decision.type === "announce") announces++;
      }
      steps++;
      now = nextAt;
    }
    expect(machine.snapshot(now).reason).toMatch(/^UDP is blocked here/);
    expect(probes).toBeLessThan(2 * 9 * 18);
    expect(announces).toBeLessThan(22);
    expect(steps).toBeLessThan(1_000);
  });

  it("36: an idle path that died is known before anybody types", () => {
    const world = met([
      { ipv6: "restricted", ipv4: "restricted" },
      { ipv6: "restricted", ipv4: "restricted" },
    ]);
    for (const host of [0, 1] as const) world.link(host, "ipv6").isCut = true;
    expect(world.runTill(() => isOver(world, "ipv4"), world.now + 35_000)).toBeDefined();
  });

  it("M4: a handshake that is lost is started by the other side, well before 5 s", () => {
    const world = new World({ seed: 1, hosts: [{ ipv4: "open" }, { ipv4: "open" }] });
    world.runTill(() => decided(world.hosts[0], "use").length > 0, 1_000, 1);
    // The initiation has just left; nothing of WireGuard's that is on the way arrives.
    world.dropWireGuardOnWay();
    expect(world.runTill(() => world.isConnected, world.now + 1_500)).toBeDefined();
  });
});

describe("a peer that asks for a handshake", () => {
  it.each([true, false])("gets a keepalive first, and a new session when it goes on asking: %s", (goesOn) => {
    const watch = new WireGuardWatch();
    watch.look({ type: "wireguard", endpoint: "a", receivedBytes: 0, sentBytes: 0, handshakeAt: 0 }, 0);
    const session = new Session(watch, false);
    session.adopt(0);
    expect(session.takeRequest(6_000)).toEqual({ isFresh: false });
    // Between them, it got what it wanted.
    if (!goesOn) session.endRequest();
    expect(session.takeRequest(12_000)).toEqual({ isFresh: goesOn });
  });
});

describe("an announce while a path works", () => {
  it.each([
    ["lists the same places", [1, 2], true],
    ["lists one more", [1, 2, 3], false],
    ["lists one less", [1], false],
    ["lists another one", [1, 3], false],
  ])("that %s leaves the path proven: %s %s", (_, ports, isLeft) => {
    const { machine, tell } = alone();
    tell(candidates(1, 2), 0);
    tell({ type: "answered", path: "203.0.113.1:1", roundTripMs: 5, view: VIEW }, 50);
    tell(candidates(...ports), 1_000);
    expect(machine.view("203.0.113.1:1", 1_000).isProven).toBe(isLeft);
  });
});

describe("a choice among paths that work", () => {
  /** A decider uses a path of 50 ms; another one of the same tier, of so many, is there from 1 s on. */
  function changesAt(otherMs: number, otherView: View = VIEW): number | undefined {
    const { tell } = alone();
    tell(candidates(1, 2), 0);
    tell({ type: "answered", path: "203.0.113.1:1", roundTripMs: 50, view: VIEW }, 50);
    for (let now = 1_000; now < 120_000; now += 1_000) {
      const first = tell({ type: "answered", path: "203.0.113.1:1", roundTripMs: 50, view: VIEW }, now);
      const other = tell(
        { type: "answered", path: "203.0.113.1:2", roundTripMs: otherMs, view: otherView },
        now + 1,
      );
      const uses = [...first.decisions, ...other.decisions].filter((decision) => decision.type === "use");
      if (uses.some(({ path }) => path === "203.0.113.1:2")) return now;
    }
    return undefined;
  }

  it("changes for a path that is much faster, after the dwell", () => {
    const at = changesAt(10);
    expect(at).toBeGreaterThanOrEqual(30_000);
    expect(at).toBeLessThan(32_000);
  });

  it.each([49, 46, 41])("stays for one of %i ms against 50", (ms) => expect(changesAt(ms)).toBeUndefined());

  it("stays while the peer has not proven the other", () => {
    expect(changesAt(10, { ...VIEW, isProven: false })).toBeUndefined();
  });
});

describe("a WireGuard that goes to a path of a worse kind each time", () => {
  it("is let there after a few corrections, and the better path is tried again at growing intervals", () => {
    const { tell } = alone();
    const [better, worse] = ["[2001:db8::2]:1", "203.0.113.1:1"];
    const listed = (["host", "reflexive"] as const).flatMap((kind, i) => {
      const endpoint = parseEndpoint([better, worse][i] ?? "");
      return endpoint === undefined ? [] : [{ kind, endpoint, ageS: 0 }];
    });
    const uses: number[] = [];
    const queue: { at: number; fact: Fact }[] = [
      { at: 0, fact: { type: "candidates", candidates: listed, isNews: true, wantsAnswer: false } },
    ];
    // Both answer, and the peer's routes send what WireGuard sends by the worse one alone.
    for (let at = 500; at < 300_000; at += 500) {
      const counters = { receivedBytes: at, sentBytes: at, handshakeAt: at - (at % 100_000) };
      queue.push({ at, fact: { type: "wireguard", endpoint: worse, ...counters } });
    }
    let timeAt = Number.POSITIVE_INFINITY;
    for (;;) {
      queue.sort((a, b) => a.at - b.at);
      const [first] = queue;
      if (first === undefined || first.at >= 300_000) break;
      const isTime = timeAt < first.at;
      const now = isTime ? timeAt : first.at;
      const { decisions, nextAt } = tell(isTime ? { type: "time" } : first.fact, now);
      if (!isTime) queue.shift();
      timeAt = nextAt;
      for (const decision of decisions) {
        if (decision.type === "use") uses.push(now);
        if (decision.type !== "probe") continue;
        for (const { path } of decision.probes)
          queue.push({ at: now + 20, fact: { type: "answered", path, roundTripMs: 20, view: VIEW } });
      }
    }
    expect(uses.length).toBeGreaterThan(3);
    expect(most(uses, 10_000)).toBeLessThanOrEqual(4);
    expect(uses.length).toBeLessThanOrEqual(16);
  });
});

describe("what is said of a peer", () => {
  it.each([
    ["symmetric", "symmetric", /^both NATs change their port with each destination \(symmetric\)/],
    ["symmetric", "stable", /^the own NAT changes its port/],
    ["stable", "symmetric", /^the peer's NAT changes its port/],
    ["blocked", "stable", /^UDP is blocked here/],
    ["stable", "blocked", /^UDP is blocked at the peer/],
    ["stable", "stable", /^no path yet: the peer has not answered, probing 2 candidates$/],
  ] as const)("with NATs that are %s and %s", (own, peer, reason) => {
    const { machine, tell } = alone();
    tell({ type: "nat", own, peer }, 0);
    tell(candidates(1, 2), 1);
    expect(machine.snapshot(1).reason).toMatch(reason);
  });

  it("before it was ever heard", () => {
    const { machine, tell } = alone();
    tell({ type: "time" }, 0);
    expect(machine.snapshot(0)).toMatchObject({ state: "unmet", path: undefined, others: [] });
  });
});

describe("the parts", () => {
  it("tell data from handshakes by their bytes", () => {
    for (const bytes of [0, 92, 148, 240, 2 * 148, 3 * 92 + 148]) expect(isData(bytes)).toBe(false);
    for (const bytes of [32, 124, 180, 96 + 32, 5_000]) expect(isData(bytes)).toBe(true);
  });

  it("rank LAN, lasting, reflexive", () => {
    const tierOf = tiersOf([{ address: Uint8Array.of(192, 168, 7, 0), bits: 24 }]);
    expect(tierOf({ address: "192.168.7.9", family: 4, port: 1 }, "reflexive")).toBe(Tier.Lan);
    expect(tierOf({ address: "2001:db8::1", family: 6, port: 1 }, undefined)).toBe(Tier.Lasting);
    expect(tierOf({ address: "203.0.113.1", family: 4, port: 1 }, "mapped")).toBe(Tier.Lasting);
    expect(tierOf({ address: "203.0.113.1", family: 4, port: 1 }, undefined)).toBe(Tier.Reflexive);
  });

  it("cost next to nothing while idle: a step each few seconds", () => {
    const { machine, tell } = alone();
    const path = "203.0.113.1:1";
    const look = (now: number, receivedBytes: number): Step =>
      tell({ type: "wireguard", endpoint: path, receivedBytes, sentBytes: 0, handshakeAt: now - 1_000 }, now);
    look(1_000, 1_000);
    let steps = 0;
    let probes = 0;
    for (let now = 1_100; now < 3_600_000; steps++) {
      const { decisions, nextAt } = tell({ type: "time" }, now);
      for (const decision of decisions) {
        if (decision.type !== "probe") continue;
        probes += decision.probes.length;
        tell({ type: "answered", path, roundTripMs: 20, view: VIEW }, now + 20);
        look(now + 25, 1_000 + 32 * probes);
      }
      now = Math.max(nextAt, now + 30);
    }
    expect(machine.snapshot(3_600_000)).toMatchObject({ state: "direct", path: { name: path } });
    // The path in use each 10 s, and what is done around it. 200 such machines make 60 steps a second, of 10 us each.
    expect(steps / 3_600).toBeLessThan(0.3);
    expect(probes / 3_600).toBeLessThan(0.11);
  });
});
