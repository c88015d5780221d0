import type { EChartsOption, LineSeriesOption } from "echarts";
import type { Chart } from "../../../bench/simulate/charts.js";
import { count } from "../../../bench/simulate/format.js";
import {
  axisName,
  BLUE,
  draw,
  legendOf,
  ONE_PANEL,
  ORANGE,
  rounded,
  SKY,
  titleOf,
  VERMILION,
} from "../../../bench/simulate/plot.js";
import { type Answers, quantilesOf } from "./questions.js";
import { idleSent } from "./tables.js";

export function chartsOf(answers: Answers): Chart[] {
  return [
    { name: "scale-traffic", svg: draw(trafficChart(answers)) },
    { name: "scale-spread", svg: draw(spreadChart(answers)) },
  ];
}

function trafficChart(answers: Answers): EChartsOption {
  const sent = answers.telling.map((telling) => idleSent(answers, telling));
  const line = (name: string, color: string, values: readonly number[]): LineSeriesOption => ({
    ...{ name, type: "line", color, symbol: "circle", symbolSize: 7, lineStyle: { width: 3 } },
    data: rounded(values),
  });
  return {
    ...overMembers(
      answers,
      "Datagrams that one node sends in an hour",
      "nothing happens; all have tunnels to all",
      "datagrams",
    ),
    legend: legendOf(["probes and answers", "facts", "rosters"]),
    series: [
      line(
        "probes and answers",
        VERMILION,
        sent.map(({ probes }) => probes),
      ),
      line(
        "facts",
        BLUE,
        sent.map(({ facts }) => facts),
      ),
      line(
        "rosters",
        ORANGE,
        sent.map(({ rosters }) => rosters),
      ),
    ],
  };
}

function spreadChart(answers: Answers): EChartsOption {
  const places = [...new Set(answers.spreads.map(({ where }) => where))];
  const colors = [BLUE, SKY, ORANGE, VERMILION];
  const removals = answers.spreads.filter(({ what }) => what === "remove");
  return {
    ...overMembers(answers, "Until the last member that is there knows a removal", "the worst of all", "ms"),
    legend: legendOf(places),
    series: places.map((where, i) => ({
      ...{ name: where, type: "bar", color: colors[i] ?? BLUE, barGap: "0%" },
      data: rounded(
        removals.filter((one) => one.where === where).map(({ timesMs }) => quantilesOf(timesMs)[2]),
      ),
    })),
  };
}

/** Over the sizes of meshes, with powers of ten upwards. */
function overMembers({ telling }: Answers, title: string, subtitle: string, unit: string): EChartsOption {
  return {
    title: titleOf(title, subtitle),
    grid: ONE_PANEL,
    xAxis: {
      ...axisName("members", 34),
      type: "category",
      data: telling.map(({ members }) => count(members)),
      axisTick: { show: false },
    },
    yAxis: { ...axisName(unit, 52), type: "log", min: 10, axisLabel: { formatter: count } },
  };
}
