import type { BarSeriesOption, EChartsOption, LineSeriesOption, PictorialBarSeriesOption } from "echarts";
import { type Arrival, REACHES } from "./arrival.js";
import { count, fixed } from "./format.js";
import { expectedFirst, type Load } from "./load.js";
import { type Moves, moduloMoves } from "./moves.js";
import { ROUND_TRIP_MS } from "./network.js";
import {
  axisName,
  BLACK,
  BLUE,
  draw,
  legendOf,
  ONE_PANEL,
  ORANGE,
  PALE,
  panelTitle,
  rounded,
  SKY,
  TWO_PANELS,
  titleOf,
  VERMILION,
} from "./plot.js";
import type { Answers } from "./questions.js";
import { chanceOfCommon } from "./statistics.js";

/** A plot with the name of its file. */
export interface Chart {
  readonly name: string;
  readonly svg: string;
}

export function chartsOf({ weighted, moves, arrivals }: Answers): Chart[] {
  const [bundled, thirty] = arrivals;
  if (bundled === undefined || thirty === undefined) throw new Error("no arrivals");
  return [
    { name: "scale-load", svg: draw(loadChart(weighted)) },
    { name: "scale-moves", svg: draw(movesChart(moves)) },
    { name: "scale-arrival", svg: draw(arrivalChart([bundled, thirty])) },
    { name: "scale-cost", svg: draw(costChart(thirty)) },
  ];
}

function loadChart(load: Load): EChartsOption {
  const { pool, destinations, first } = load;
  const shares = (counts: readonly number[]): number[] =>
    rounded(counts.map((n) => (100 * n) / destinations));
  return {
    title: titleOf(
      "Destinations that rank a broker first",
      `${count(destinations)} destinations, ${pool.size} brokers of weights 1 to 8`,
    ),
    legend: legendOf(["measured", "by weight"]),
    grid: ONE_PANEL,
    xAxis: {
      ...axisName("brokers, each with its weight", 34),
      type: "category",
      data: pool.weights.map((weight) => `×${weight}`),
      axisTick: { show: false },
    },
    yAxis: { ...axisName("share of all, %", 44), type: "value" },
    series: [
      { name: "measured", type: "bar", color: SKY, barWidth: "70%", data: shares(first) },
      {
        name: "by weight",
        type: "scatter",
        color: BLACK,
        symbol: "rect",
        symbolSize: [30, 3],
        data: shares(expectedFirst(load)),
      },
    ],
  };
}

function movesChart(moves: readonly Moves[]): EChartsOption {
  const even = moves.filter(({ idealTop }) => !Number.isNaN(idealTop));
  const slots = { barGap: "0%", barCategoryGap: "24%" };
  const formatter = ({ value }: { value?: unknown }): string => fixed(Number(value), 1);
  const label: BarSeriesOption["label"] = {
    show: true,
    position: "top",
    fontSize: 11,
    color: BLACK,
    formatter,
  };
  const bars = (name: string, color: string, of: (move: Moves) => number): BarSeriesOption => ({
    ...slots,
    name,
    type: "bar",
    color,
    label,
    data: rounded(even.map((move) => 100 * of(move))),
  });
  // The ticks are bars of another kind, laid out over the first.
  const ticks = (of: (move: Moves) => number): PictorialBarSeriesOption => ({
    ...slots,
    type: "pictorialBar",
    color: BLACK,
    symbol: "rect",
    symbolSize: ["100%", 3],
    symbolPosition: "end",
    z: 5,
    data: rounded(even.map((move) => 100 * of(move))),
  });
  return {
    title: titleOf(
      "Destinations that move when brokers join or leave",
      "a black tick is what any hashing has to move on average",
    ),
    legend: legendOf(["first place", "one of the best 3", "hash modulo n"]),
    grid: ONE_PANEL,
    xAxis: {
      ...axisName("brokers, before → after", 34),
      type: "category",
      data: even.map(({ from, to }) => `${from} → ${to}`),
      axisTick: { show: false },
    },
    yAxis: { ...axisName("of the destinations, %", 44), type: "value", max: 100 },
    series: [
      bars("first place", BLUE, ({ first }) => first),
      bars("one of the best 3", SKY, ({ top }) => top),
      bars("hash modulo n", PALE, moduloMoves),
      ticks(({ idealFirst }) => idealFirst),
      ticks(({ idealTop }) => idealTop),
      // Keeps the third place of a group.
      ticks(() => Number.NaN),
    ],
  };
}

function arrivalChart(pools: readonly [readonly Arrival[], readonly Arrival[]]): EChartsOption {
  const bound = "bound: a broker that both reach";
  return {
    ...overReach(
      "Messages that arrive, %",
      "each peer reaches each broker with the same chance, independently of all others",
      pools.map((arrivals) => `pool of ${arrivals[0]?.pool.size}`),
      ["sidewire", bound, "three fastest of ten", "the same three for all"],
      100,
    ),
    series: pools.flatMap((arrivals, panel) => {
      const line = linesOver(arrivals, panel);
      return [
        line("sidewire", { color: BLUE, lineStyle: { width: 4 } }, ({ first }) => 100 * first.arrived),
        line(
          bound,
          { color: BLACK, lineStyle: { width: 1.5, type: "dashed" }, itemStyle: { opacity: 0 }, z: 4 },
          ({ pool, reach }) => 100 * chanceOfCommon(pool.size, reach),
        ),
        line("three fastest of ten", { color: VERMILION }, ({ original }) => 100 * original.arrived),
        line(
          "the same three for all",
          { color: ORANGE, lineStyle: { width: 2, type: "dotted" } },
          ({ agreeing }) => 100 * agreeing.arrived,
        ),
      ];
    }),
  };
}

function costChart(arrivals: readonly Arrival[]): EChartsOption {
  const [publishes, times] = [linesOver(arrivals, 0), linesOver(arrivals, 1)];
  const [first, slowest, next, original] = [
    "first message",
    "first message, 99 % within",
    "next message",
    "three fastest of ten",
  ];
  const dashed = { width: 2, type: "dashed" } as const;
  return {
    ...overReach(
      "What a message that arrives costs",
      `pool of ${arrivals[0]?.pool.size}, ${ROUND_TRIP_MS} ms to a broker and back`,
      ["publishes, ACKs included", "ms until it arrives, mean"],
      [first, slowest, next, original],
      undefined,
    ),
    series: [
      publishes(first, { color: BLUE, lineStyle: { width: 3 } }, (arrival) => arrival.first.publishes),
      publishes(next, { color: SKY, lineStyle: { width: 3 } }, (arrival) => arrival.next.publishes),
      publishes(original, { color: VERMILION }, (arrival) => arrival.original.publishes),
      times(first, { color: BLUE, lineStyle: { width: 3 } }, (arrival) => arrival.first.meanMs),
      times(slowest, { color: BLUE, lineStyle: dashed }, (arrival) => arrival.first.within(0.99)),
      times(next, { color: SKY, lineStyle: { width: 3 } }, (arrival) => arrival.next.meanMs),
      times(original, { color: VERMILION }, (arrival) => arrival.original.meanMs),
    ],
  };
}

type LineOf = (name: string, look: LineSeriesOption, of: (arrival: Arrival) => number) => LineSeriesOption;

/** Makes the lines of a panel, over what each peer reaches. */
function linesOver(arrivals: readonly Arrival[], panel: number): LineOf {
  return (name, look, of) => ({
    lineStyle: { width: 2 },
    symbolSize: 6,
    symbol: "circle",
    ...look,
    name,
    type: "line",
    xAxisIndex: panel,
    yAxisIndex: panel,
    data: rounded(arrivals.map(of)),
  });
}

/** Two plots side by side, over what each peer reaches. */
function overReach(
  title: string,
  subtitle: string,
  panels: readonly string[],
  names: readonly string[],
  max: number | undefined,
): EChartsOption {
  return {
    title: [titleOf(title, subtitle), ...panels.map(panelTitle)],
    legend: legendOf(names),
    grid: [...TWO_PANELS],
    xAxis: TWO_PANELS.map((_, gridIndex) => ({
      ...axisName("of the pool, each peer reaches, %", 30),
      gridIndex,
      type: "category",
      data: REACHES.map((reach) => String(Math.round(100 * reach))),
      boundaryGap: false,
    })),
    yAxis: TWO_PANELS.map((_, gridIndex) => ({
      gridIndex,
      type: "value",
      min: 0,
      axisLabel: { formatter: count },
      ...(max === undefined ? {} : { max }),
    })),
  };
}
