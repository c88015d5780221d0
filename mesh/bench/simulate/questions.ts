import { cpuTime } from "../../../bench/cpu-time.js";
import { Random } from "../../../bench/simulate/random.js";
import { mean, quantile, sum } from "../../../bench/simulate/statistics.js";
import { type BrokerCosts, BrokerTurns, brokerCosts } from "./brokers.js";
import { FactMesh } from "./fact-mesh.js";
import { NATS, Pair, type PairEvent, type PairSent } from "./pairs.js";
import { type Change, type Conditions, RosterMesh } from "./roster-mesh.js";
import { Start, type Started } from "./start.js";

export const HOUR_MS = 3_600_000;
/** The share of the hosts that start again or move, an hour. */
export const CHURN_PER_HOUR = 0.1;

/** How much is simulated. */
export interface Sizes {
  /** Sizes of meshes. */
  readonly members: readonly number[];
  /** Members whose tunnels are all simulated, and for how long facts are counted, ms. */
  readonly facts: (members: number) => { readonly sample: number; readonly ms: number };
  /** Pairs of hosts with each event. */
  readonly pairs: number;
}

/** Some minutes on one core. */
export const QUICK: Sizes = {
  members: [10, 100, 300, 1000],
  facts: (members) => ({ sample: members > 100 ? 4 : 10, ms: members > 300 ? HOUR_MS / 6 : HOUR_MS / 3 }),
  pairs: 60,
};

/** Messages and bytes that one node sends in an hour. */
export interface Rate {
  readonly messages: number;
  readonly bytes: number;
}

/** How a change spread: ms until each member knew it. */
export interface Spread {
  readonly what: Change;
  readonly where: string;
  readonly members: number;
  readonly timesMs: readonly number[];
  /** Of those that were away, ms from their start on. */
  readonly backMs: readonly number[];
  /** Who never knew it. */
  readonly missed: number;
  /** Datagrams and messages over the brokers that one node sent for it, and the admin's messages over the brokers. */
  readonly datagrams: number;
  readonly overBrokers: number;
  readonly byAdmin: number;
}

/** What comparing rosters costs when nothing changes, one node an hour. */
export interface Comparing {
  readonly members: number;
  readonly where: string;
  readonly onPath: Rate;
  readonly overBrokers: number;
  readonly publishes: number;
}

/** What facts cost one node an hour. */
export interface Telling {
  readonly members: number;
  readonly idle: Rate;
  readonly churn: Rate;
  /** Facts that one node holds. */
  readonly held: number;
  readonly cpuMs: number;
}

/** What one pair of path machines costs one of its ends. */
export interface PairCosts {
  /** An hour in which nothing happens. */
  readonly idle: PairSent;
  /** What each event costs beyond that, the host that it happens to and the other one. */
  readonly events: Readonly<Record<PairEvent, readonly [PairSent, PairSent]>>;
  /** Announces to a peer that is never there: in the first hour, and in each later one. */
  readonly absent: readonly [first: number, later: number];
  /** An hour of one machine, with its share of the model network. */
  readonly cpuMs: number;
}

/** How long peers are without a tunnel when a host moves. */
export interface Moved {
  readonly members: number;
  readonly loss: number;
  readonly timesMs: readonly number[];
}

/** Everything that was found. */
export interface Answers {
  readonly brokers: BrokerCosts;
  readonly pair: PairCosts;
  readonly comparing: readonly Comparing[];
  readonly spreads: readonly Spread[];
  readonly telling: readonly Telling[];
  readonly moved: readonly Moved[];
  readonly started: readonly Started[];
}

/** The share of members that let in whoever comes. */
const OPEN = [1, 0.5] as const;

const CONDITIONS: readonly (readonly [where: string, conditions: Conditions])[] = [
  ["all there", { loss: 0, offline: 0, hasPaths: true }],
  ["5 % lost", { loss: 0.05, offline: 0, hasPaths: true }],
  ["a quarter away", { loss: 0, offline: 0.25, hasPaths: true }],
  ["brokers alone", { loss: 0, offline: 0, hasPaths: false }],
];

const CHANGES: readonly Change[] = ["remove", "admit"];

/** How long nothing is counted at first, ms: until facts are told evenly over the time. */
const SETTLE_MS = 300_000;
/** How long comparing is counted, and a change is watched, ms. */
const COMPARED_MS = 300_000;
const WATCHED_MS = 120_000;
/** A path is quiet again so long after an event, ms. */
const CALM_MS = 300_000;
/** One way over the brokers in the model of pairs, ms. */
const SIGNALING_MS = 150;

/** @param tell - called with what is being done */
export async function answer(seed: number, sizes: Sizes, tell: (what: string) => void): Promise<Answers> {
  const random = (name: string): Random => new Random(seed, name);
  const brokers = brokerCosts();
  tell("pairs of path machines");
  const pair = measurePair(seed);
  const moved: Moved[] = [];
  const comparing: Comparing[] = [];
  const spreads: Spread[] = [];
  const telling: Telling[] = [];
  const started: Started[] = [];
  for (const members of sizes.members) {
    for (const loss of [0, 0.05]) {
      tell(`${members} members: one moves, ${100 * loss} % lost`);
      moved.push(measureMove(members, loss, sizes.pairs, brokers, seed));
    }
    for (const [where, conditions] of CONDITIONS) {
      for (const what of conditions.hasPaths ? CHANGES : CHANGES.slice(0, 1)) {
        tell(`${members} members: rosters, ${what}, ${where}`);
        const mesh = new RosterMesh(
          members,
          what,
          conditions,
          brokers,
          random(`${members} ${what} ${where}`),
        );
        const idle = await measureComparing(mesh, where);
        if (what === "remove") comparing.push(idle);
        spreads.push(await measureSpread(mesh, what, where, idle));
      }
    }
    for (const open of OPEN) {
      tell(`${members} members: one starts, ${100 * open} % let in whoever comes`);
      started.push({ members, open, ...new Start(members, open, random(`${members} start`)).run() });
    }
    tell(`${members} members: facts`);
    telling.push(measureTelling(members, sizes.facts(members), random(`${members} facts`)));
  }
  return { brokers, pair, moved, comparing, spreads, telling, started };
}

/** Without a mesh around them: each machine knows its own peer alone. */
function measurePair(seed: number): PairCosts {
  const before = cpuTime();
  const idle = NATS.map((nats) => {
    const pair = met(new Pair(seed, nats, SIGNALING_MS));
    const from = pair.sent(0);
    pair.pass(HOUR_MS);
    return difference(pair.sent(0), from);
  });
  const cpuMs = (cpuTime() - before) / NATS.length / 2;
  const idleMean = meanOf(idle);
  const calm = scaled(idleMean, CALM_MS / HOUR_MS);
  const costs = (event: PairEvent): readonly [PairSent, PairSent] => {
    const ends = NATS.map((nats) => {
      const pair = met(new Pair(seed, nats, SIGNALING_MS));
      const from = [pair.sent(0), pair.sent(1)] as const;
      pair.happen(event);
      pair.pass(CALM_MS);
      return [difference(pair.sent(0), from[0]), difference(pair.sent(1), from[1])] as const;
    });
    return [
      difference(meanOf(ends.map(([own]) => own)), calm),
      difference(meanOf(ends.map(([, peer]) => peer)), calm),
    ];
  };
  const absent = new Pair(seed, ["restricted", "blocked"], SIGNALING_MS);
  absent.world.hosts[1].isDown = true;
  absent.world.hosts[0].tell({ type: "time" });
  absent.pass(HOUR_MS);
  const first = absent.sent(0).overBrokers;
  absent.pass(HOUR_MS);
  return {
    ...{ idle: idleMean, cpuMs, events: { restart: costs("restart"), move: costs("move") } },
    absent: [first, absent.sent(0).overBrokers - first],
  };
}

/** A host with so many peers moves: each announce over the brokers waits for its turn. */
function measureMove(members: number, loss: number, pairs: number, costs: BrokerCosts, seed: number): Moved {
  const turns = new BrokerTurns(costs);
  const waits = Array.from({ length: members - 1 }, () => turns.take(true, 0));
  const timesMs = Array.from({ length: pairs }, (_, i) => {
    const wait = waits[Math.floor((i * waits.length) / pairs)] ?? 0;
    const nats = NATS[i % NATS.length] ?? ["open", "open"];
    return met(new Pair(seed + i, nats, SIGNALING_MS + wait, loss)).happen("move");
  });
  return { members, loss, timesMs };
}

function met(pair: Pair): Pair {
  pair.meet();
  pair.pass(CALM_MS);
  return pair;
}

async function measureComparing(mesh: RosterMesh, where: string): Promise<Comparing> {
  const members = mesh.hosts.length;
  const there = mesh.hosts.filter(({ isOnline }) => isOnline).length;
  const perHour = HOUR_MS / COMPARED_MS / there;
  const from = mesh.sent();
  await mesh.timeline.runUntil(mesh.timeline.now + COMPARED_MS);
  const to = mesh.sent();
  return {
    ...{ members, where },
    onPath: {
      messages: (to.datagrams - from.datagrams) * perHour,
      bytes: (to.bytes - from.bytes) * perHour,
    },
    overBrokers: (to.overBrokers - from.overBrokers) * perHour,
    publishes: (to.publishes - from.publishes) * perHour,
  };
}

async function measureSpread(
  mesh: RosterMesh,
  what: Change,
  where: string,
  idle: Comparing,
): Promise<Spread> {
  const { timeline, hosts } = mesh;
  const from = mesh.sent();
  const byAdmin = hosts[0]?.turns.messages ?? 0;
  const at = timeline.now;
  mesh.change();
  await timeline.runUntil(at + WATCHED_MS);
  const to = mesh.sent();
  const there = hosts.filter(({ isOnline }) => isOnline);
  const share = WATCHED_MS / HOUR_MS;
  const told = what === "remove" ? there.slice(0, -1) : there;
  const spread = {
    ...{ what, where, members: hosts.length },
    datagrams: (to.datagrams - from.datagrams) / there.length - idle.onPath.messages * share,
    overBrokers: (to.overBrokers - from.overBrokers) / there.length - idle.overBrokers * share,
    byAdmin: (hosts[0]?.turns.messages ?? 0) - byAdmin,
  };
  const backAt = timeline.now;
  const away = mesh.comeBack();
  if (away.length > 0) await timeline.runUntil(backAt + WATCHED_MS);
  return {
    ...spread,
    timesMs: told.flatMap(({ knewAt }) => (knewAt === undefined ? [] : [knewAt - at])),
    backMs: away.flatMap(({ knewAt }) => (knewAt === undefined ? [] : [knewAt - backAt])),
    missed: [...told, ...away].filter(({ knewAt }) => knewAt === undefined).length,
  };
}

function measureTelling(
  members: number,
  { sample, ms }: { readonly sample: number; readonly ms: number },
  random: Random,
): Telling {
  const mesh = new FactMesh(members, sample, random);
  mesh.run(SETTLE_MS);
  const before = cpuTime();
  const idle = rateOf(mesh, ms, () => mesh.run(ms));
  const cpuMs = ((cpuTime() - before) / sample) * (HOUR_MS / ms);
  const events = Math.round(members * CHURN_PER_HOUR * (ms / HOUR_MS));
  const churn = rateOf(mesh, ms, () => {
    for (let i = 0; i < events; i++) {
      mesh.run(ms / events);
      const host = mesh.hosts[random.below(members)];
      if (host === undefined) continue;
      if (i % 2 === 0) host.start();
      else mesh.move(host);
    }
    if (events === 0) mesh.run(ms);
  });
  return { members, idle, churn, held: mean(mesh.sample.map(({ exchange }) => exchange.store.size)), cpuMs };
}

function rateOf(mesh: FactMesh, ms: number, work: () => void): Rate {
  const total = (): readonly [number, number] => [
    sum(mesh.sample.map(({ sent }) => sent.messages)),
    sum(mesh.sample.map(({ sent }) => sent.bytes)),
  ];
  const [messages, bytes] = total();
  work();
  const [messagesAfter, bytesAfter] = total();
  const perHour = HOUR_MS / ms / mesh.sample.length;
  return { messages: (messagesAfter - messages) * perHour, bytes: (bytesAfter - bytes) * perHour };
}

const NUMBERS = ["probes", "answers", "overBrokers", "onPath", "steps"] as const;

function combined(of: (name: (typeof NUMBERS)[number]) => number): PairSent {
  const [probes, answers, overBrokers, onPath, steps] = NUMBERS.map(of);
  return { probes, answers, overBrokers, onPath, steps } as PairSent;
}

function difference(one: PairSent, other: PairSent): PairSent {
  return combined((name) => one[name] - other[name]);
}

function scaled(one: PairSent, by: number): PairSent {
  return combined((name) => one[name] * by);
}

function meanOf(all: readonly PairSent[]): PairSent {
  return combined((name) => mean(all.map((one) => one[name])));
}

/** The middle, the 99th of a hundred, and the last, ms. */
export function quantilesOf(timesMs: readonly number[]): [median: number, most: number, worst: number] {
  return [quantile(timesMs, 0.5), quantile(timesMs, 0.99), quantile(timesMs, 1)];
}
