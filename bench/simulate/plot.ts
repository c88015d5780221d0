import { type EChartsOption, init, type LegendComponentOption, type TitleComponentOption } from "echarts";

/** Okabe and Ito's colours, which those who are colour-blind can tell apart too. */
export const BLUE = "#0072b2";
export const SKY = "#56b4e9";
export const VERMILION = "#d55e00";
export const ORANGE = "#e69f00";
export const PALE = "#dddddd";
export const BLACK = "#222222";

const WIDTH = 860;
const HEIGHT = 420;

/** Where the plots of a figure are, under title and legend. */
export const ONE_PANEL = { left: 70, right: 24, top: 100, bottom: 60 } as const;
export const TWO_PANELS = [
  { left: 60, width: 350, top: 130, bottom: 60 },
  { left: 490, width: 350, top: 130, bottom: 60 },
] as const;

/** An SVG text that depends on the option alone. */
export function draw(option: EChartsOption): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    textStyle: { fontFamily: "Helvetica, Arial, sans-serif", fontSize: 13, color: BLACK },
    ...option,
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${withOwnNames(svg)}\n`;
}

/** Names of classes and clip paths count up within a process; a plot must not depend on those before it. */
function withOwnNames(svg: string): string {
  const names = new Map<string, string>();
  return svg.replaceAll(/zr\d+-[\w-]+/g, (name) => {
    const own = names.get(name) ?? `n${names.size}`;
    names.set(name, own);
    return own;
  });
}

export function titleOf(text: string, subtext: string): TitleComponentOption {
  return {
    text,
    subtext,
    left: 16,
    top: 10,
    itemGap: 6,
    textStyle: { fontSize: 16, color: BLACK },
    subtextStyle: { fontSize: 13, color: "#555555" },
  };
}

/** The title of one of {@link TWO_PANELS}. */
export function panelTitle(text: string, panel: number): TitleComponentOption {
  return {
    text,
    left: (TWO_PANELS[panel]?.left ?? 0) + 175,
    top: 98,
    textAlign: "center",
    textStyle: { fontSize: 13, fontWeight: "bold", color: BLACK },
  };
}

/** @param names - of the series to be listed */
export function legendOf(names: readonly string[]): LegendComponentOption {
  return {
    top: 64,
    left: 10,
    // Fonts differ from system to system; the names must not run into each other with a wide one.
    itemGap: 34,
    itemWidth: 30,
    data: [...names],
  };
}

export function axisName(
  name: string,
  nameGap: number,
): { name: string; nameGap: number; nameLocation: "middle" } {
  return { name, nameGap, nameLocation: "middle" };
}

/** Fewer digits make a smaller file. */
export function rounded(values: readonly number[]): number[] {
  return values.map((value) => Number(value.toFixed(3)));
}
