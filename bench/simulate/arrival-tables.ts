import { type Arrival, FRUGAL } from "./arrival.js";
import { count, fixed, percent } from "./format.js";
import { LISTENED } from "./rules.js";
import { chanceOfCommon } from "./statistics.js";
import { type Table, table } from "./table.js";

export function arrivalTables(arrivals: readonly (readonly Arrival[])[]): Table[] {
  const [bundled, thirty, ...larger] = arrivals;
  if (bundled === undefined || thirty === undefined) throw new Error("no arrivals");
  return [
    arrivalTable("arrival-bundled", bundled),
    arrivalTable("arrival-30", thirty),
    growthTable([thirty, ...larger]),
    frugalTable(thirty),
    costTable("cost-bundled", bundled),
    costTable("cost-30", thirty),
    connectionsTable([bundled, thirty]),
  ];
}

function arrivalTable(name: string, arrivals: readonly Arrival[]): Table {
  const rows = arrivals.map((arrival) => {
    const { pool, reach, possible, first, original, agreeing } = arrival;
    return [
      percent(reach, 0),
      percent(chanceOfCommon(pool.size, reach), 1),
      percent(possible, 1),
      percent(first.arrived, 1),
      percent(first.arrived / possible, 1),
      percent(original.arrived, 1),
      percent(agreeing.arrived, 1),
    ];
  });
  return table(
    name,
    `Messages that arrive, %: ${titleOf(arrivals)}`,
    [
      "each peer reaches, %",
      "bound",
      "possible",
      "sidewire",
      "of the possible",
      "three fastest of ten",
      "the same three for all",
    ],
    rows,
  );
}

function growthTable(pools: readonly (readonly Arrival[])[]): Table {
  const rows = pools.map((arrivals) => [
    String(arrivals[0]?.pool.size),
    ...arrivals.map(({ first, possible }) => percent(first.arrived / possible, 1)),
  ]);
  const reaches = pools[0]?.map(({ reach }) => `${percent(reach, 0)} %`) ?? [];
  return table(
    "growth",
    "Of the possible messages, those that arrive, %, by size of the pool",
    ["brokers", ...reaches],
    rows,
  );
}

function frugalTable(arrivals: readonly Arrival[]): Table {
  const rows = FRUGAL.map((listened, i) => [
    String(listened),
    ...arrivals.map(({ frugal }) => percent(frugal[i]?.arrived ?? Number.NaN, 1)),
  ]);
  rows.push([`${LISTENED} (default)`, ...arrivals.map(({ first }) => percent(first.arrived, 1))]);
  return table(
    "frugal",
    `Messages that arrive, %, by the brokers a peer listens on: ${titleOf(arrivals)}`,
    ["listens on", ...arrivals.map(({ reach }) => `${percent(reach, 0)} %`)],
    rows,
  );
}

function costTable(name: string, arrivals: readonly Arrival[]): Table {
  const rows = arrivals.map(({ reach, first, next, original, absent }) => [
    percent(reach, 0),
    fixed(first.publishes, 1),
    fixed(next.publishes, 1),
    fixed(original.publishes, 1),
    fixed(absent.wasted, 1),
    fixed(first.waves, 2),
    fixed(first.meanMs, 0),
    fixed(first.within(0.99), 0),
    fixed(next.within(0.99), 0),
  ]);
  return table(
    name,
    `What a message costs, ACKs included: ${titleOf(arrivals)}`,
    [
      "each peer reaches, %",
      "publishes: first message",
      "next message",
      "three fastest",
      "to an absent peer",
      "waves, first message",
      "ms, mean",
      "ms, 99 %",
      "next message, ms, 99 %",
    ],
    rows,
  );
}

function connectionsTable(pools: readonly (readonly Arrival[])[]): Table {
  const rows = pools.flatMap((arrivals) =>
    arrivals
      .filter(({ reach }) => [1, 0.7, 0.5, 0.3].includes(reach))
      .map(({ pool, reach, listened, listenedByOriginal, first, absent, original }) => [
        String(pool.size),
        percent(reach, 0),
        fixed(listened, 1),
        fixed(first.dials, 1),
        fixed(first.connected, 1),
        fixed(absent.dials, 1),
        fixed(absent.connected, 1),
        fixed(listenedByOriginal, 1),
        fixed(original.dials, 1),
        fixed(original.connected, 1),
      ]),
  );
  return table(
    "connections",
    "Connections of a peer",
    [
      "brokers",
      "each peer reaches, %",
      "listens on",
      "dials for a new peer",
      "keeps",
      "dials for an absent peer",
      "keeps",
      "three fastest of ten: listens on",
      "dials",
      "keeps",
    ],
    rows,
  );
}

function titleOf([arrival]: readonly Arrival[]): string {
  return `a pool of ${arrival?.pool.size}, ${count(arrival?.first.messages ?? 0)} messages a row`;
}
