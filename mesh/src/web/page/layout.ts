/** A rectangle. All numbers are in px. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A host of the picture, with the line that leads to it. */
export interface Place {
  readonly box: Box;
  /** The line from this host, as a path of SVG. */
  readonly line: string;
  /** The middle of the straight part of the line, where its words stand: one above, one below. */
  readonly labelX: number;
  readonly labelY: number;
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly hub: Box;
  readonly places: readonly Place[];
  /** A line from which the others branch off; undefined where each begins at the hub. */
  readonly trunk: string | undefined;
}

/** Below this width, the hosts stand below each other. */
const WIDE_FROM = 560;

/** The length of the straight part of a line, which its words need. */
const LABEL = 96;

const ROW = 58;
const NODE_HEIGHT = 44;
const HUB_HEIGHT = 60;

/** How many hosts a picture of this width can show so that each can be read. */
export function capacityOf(width: number): number {
  return width < WIDE_FROM ? 12 : width < 1000 ? 20 : 28;
}

/** Where each host stands: this one in the middle, the others around it; or below it, where there is no room. */
export function layOut(width: number, count: number): Layout {
  if (width < WIDE_FROM) return tree(width, count);
  return count === 1 ? pair(width) : fan(width, count);
}

/** One peer alone is beside this host: around it, one half of the picture would be empty. */
function pair(width: number): Layout {
  const hubWidth = Math.min(190, width * 0.26);
  const left = Math.max(0, width * 0.5 - 380);
  const edge = width - left - hubWidth;
  const height = HUB_HEIGHT + 60;
  const y = height / 2;
  const from = left + hubWidth;
  return {
    width,
    height,
    hub: { x: left, y: y - HUB_HEIGHT / 2, width: hubWidth, height: HUB_HEIGHT },
    places: [
      {
        box: { x: edge, y: y - NODE_HEIGHT / 2, width: hubWidth, height: NODE_HEIGHT },
        line: `M${r(from)} ${r(y)}H${r(edge)}`,
        labelX: (from + edge) / 2,
        labelY: y,
      },
    ],
    trunk: undefined,
  };
}

function fan(width: number, count: number): Layout {
  const hubWidth = Math.min(170, Math.max(130, width * 0.2));
  const right = Math.ceil(count / 2);
  const left = count - right;
  const height = Math.max(right * ROW, HUB_HEIGHT + 40, 150);
  const middle = width / 2;
  const hub: Box = {
    x: middle - hubWidth / 2,
    y: (height - HUB_HEIGHT) / 2,
    width: hubWidth,
    height: HUB_HEIGHT,
  };
  const nodeWidth = Math.min(230, Math.max(110, width / 2 - hubWidth / 2 - LABEL - 70));
  const spare = width / 2 - hubWidth / 2 - LABEL - 70 - nodeWidth;
  const bend = Math.min(110, Math.max(0, spare * 0.6));
  const outside = Math.max(0, (spare - bend) * 0.5);
  const side = (rows: number, isRight: boolean): Place[] =>
    Array.from({ length: rows }, (_, i) => {
      // From -1, the first row, to 1, the last one.
      const t = rows === 1 ? 0 : (2 * i) / (rows - 1) - 1;
      const y = height / 2 + (i - (rows - 1) / 2) * ROW;
      const inset = outside + bend * t * t * (rows > 2 ? 1 : 0);
      const sign = isRight ? 1 : -1;
      const edge = isRight ? width - inset - nodeWidth : inset + nodeWidth;
      const from = middle + (sign * hubWidth) / 2;
      const bendEnd = edge - sign * LABEL;
      const half = (from + bendEnd) / 2;
      return {
        box: {
          x: isRight ? edge : edge - nodeWidth,
          y: y - NODE_HEIGHT / 2,
          width: nodeWidth,
          height: NODE_HEIGHT,
        },
        line: `M${r(from)} ${r(height / 2)}C${r(half)} ${r(height / 2)} ${r(half)} ${r(y)} ${r(bendEnd)} ${r(y)}H${r(edge)}`,
        labelX: edge - (sign * LABEL) / 2,
        labelY: y,
      };
    });
  // Down the left side, then down the right one.
  const places = [...side(left, false), ...side(right, true)];
  return {
    width,
    height,
    hub,
    places,
    trunk: undefined,
  };
}

function tree(width: number, count: number): Layout {
  const trunkX = 14;
  const hub: Box = { x: 0, y: 0, width: Math.min(width, 200), height: HUB_HEIGHT };
  const nodeX = trunkX + LABEL + 8;
  const places = Array.from({ length: count }, (_, i): Place => {
    const y = HUB_HEIGHT + 12 + ROW * i + ROW / 2;
    return {
      box: {
        x: nodeX,
        y: y - NODE_HEIGHT / 2,
        width: Math.max(80, width - nodeX - 1),
        height: NODE_HEIGHT,
      },
      line: `M${trunkX} ${y}H${nodeX}`,
      labelX: trunkX + (LABEL + 8) / 2 + 2,
      labelY: y,
    };
  });
  const last = places.at(-1)?.labelY;
  const height = HUB_HEIGHT + 12 + ROW * count;
  return {
    width,
    height,
    hub,
    places,
    trunk: last === undefined ? undefined : `M${trunkX} ${HUB_HEIGHT}V${last}`,
  };
}

/** A number for a path, short. */
function r(value: number): number {
  return Math.round(value * 10) / 10;
}
