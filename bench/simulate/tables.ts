import { arrivalTables } from "./arrival-tables.js";
import { idleCost } from "./etiquette.js";
import { count, fixed, percent } from "./format.js";
import { expectedFirst, type Load, maxOverMean, spreadOf } from "./load.js";
import { type Moves, moduloMoves } from "./moves.js";
import type { Answers } from "./questions.js";
import { LISTENED } from "./rules.js";
import { chiSquare, chiSquareLimit, mean, sum } from "./statistics.js";
import { type Table, table } from "./table.js";

/** The peers of the table about etiquette. */
const PEERS = 10_000;

export function tablesOf({ weighted, even, moves, arrivals }: Answers): Table[] {
  return [
    weightsTable(weighted),
    evenTable(even),
    movesTable(moves),
    ...arrivalTables(arrivals),
    etiquetteTable(),
  ];
}

function weightsTable(load: Load): Table {
  const { pool, destinations, first, sent, listened } = load;
  const expected = expectedFirst(load);
  const rows = [...new Set(pool.weights)].map((weight) => {
    const of = (values: readonly number[]): number[] => values.filter((_, i) => pool.weights[i] === weight);
    const its = of(first);
    const [wanted = Number.NaN] = of(expected);
    const share = (count: number): string => percent(count / destinations, 3);
    const times = (counts: readonly number[]): string =>
      fixed(mean(of(counts)) / (sum(counts) / pool.size), 2);
    return [
      String(weight),
      String(its.length),
      share(wanted),
      share(mean(its)),
      share(Math.min(...its)),
      share(Math.max(...its)),
      times(first),
      times(sent),
      times(listened),
    ];
  });
  const limit = fixed(chiSquareLimit(pool.size - 1), 1);
  return table(
    "weights",
    `Load by weight: ${count(destinations)} destinations, ${pool.size} brokers; ` +
      `chi-square ${fixed(chiSquare(first, expected), 1)} (chance alone stays below ${limit} in 95 of 100 cases)`,
    [
      "weight",
      "brokers",
      "expected, % each",
      "in first place, % each",
      "least",
      "most",
      "× the mean: first place",
      "best 3",
      "best 11",
    ],
    rows,
  );
}

function evenTable(loads: readonly Load[]): Table {
  const rows = loads.map((load) => {
    const spread = spreadOf(load);
    return [
      load.pool.name === "bundled" ? `${load.pool.size} (bundled)` : String(load.pool.size),
      count(load.destinations),
      fixed(spread.mean, 1),
      fixed(spread.deviation, 1),
      fixed(spread.fairDeviation, 1),
      fixed(spread.maxOverMean, 2),
      fixed(maxOverMean(load.sent), 2),
      fixed(maxOverMean(load.listened), 2),
      fixed(spread.chiSquare, 1),
      fixed(spread.chiSquareLimit, 1),
    ];
  });
  return table(
    "even",
    "Load in pools of equal weights",
    [
      "brokers",
      "destinations",
      "in first place, mean",
      "standard deviation",
      "of a fair lottery",
      "max / mean, first place",
      "best 3",
      "best 11",
      "chi-square",
      "95 % of chance below",
    ],
    rows,
  );
}

function movesTable(moves: readonly Moves[]): Table {
  const rows = moves.map((move) => [
    `${move.from} → ${move.to}${Number.isNaN(move.idealTop) ? ", weighted" : ""}`,
    count(move.destinations),
    percent(move.first, 2),
    percent(move.idealFirst, 2),
    percent(move.top, 2),
    Number.isNaN(move.idealTop) ? "–" : percent(move.idealTop, 2),
    percent(moduloMoves(move), 1),
    String(move.needless),
  ]);
  return table(
    "moves",
    "Destinations that move when brokers join or leave, %",
    [
      "brokers",
      "destinations",
      "first place",
      "ideal",
      "best 3",
      "ideal",
      "hash modulo n",
      "moved without need",
    ],
    rows,
  );
}

function etiquetteTable(): Table {
  const rows = [11, 30, 100].flatMap((size) =>
    [LISTENED, 6, 3, 1].map((listened) => {
      const idle = idleCost(PEERS, size, listened);
      return [
        String(size),
        String(listened),
        String(idle.connectionsPerPeer),
        count(Math.round(idle.connectionsPerBroker)),
        fixed(idle.pingsPerBrokerAndSecond, 0),
        fixed(idle.megabytesPerPeerAndDay, 1),
      ];
    }),
  );
  return table(
    "etiquette",
    `What ${count(PEERS)} silent peers cost, for one address family`,
    [
      "brokers",
      "listens on",
      "connections a peer",
      "connections a broker",
      "pings a second and broker",
      "MB a day and peer",
    ],
    rows,
  );
}
