import { count, milliseconds } from "../../cli/printable.js";
import type { PathKind } from "../../info.js";
import type { PeerView, View } from "../view.js";
import { find, svg, whenChanged } from "./dom.js";
import { type Box, capacityOf, layOut, type Place } from "./layout.js";

/** The kinds of lines, in the order of groups, and in words. */
const KINDS: readonly (readonly [kind: PathKind | "none", words: string])[] = [
  ["lan", "direct LAN"],
  ["ipv6", "direct IPv6"],
  ["nat", "direct NAT"],
  ["relay", "relayed"],
  ["turn", "TURN relay"],
  ["none", "no path"],
];

/** The words of a line by the kind of its path. */
export const WORDS: Readonly<Record<string, string>> = Object.fromEntries(KINDS);

/** A host of the picture, or several of one kind. */
interface Item {
  readonly name: string;
  readonly detail: string;
  readonly kind: string;
  /** What stands below the line: the round trip, or the state. */
  readonly time: string;
}

const NAME_FONT = "600 14px";
const MINOR_FONT = "12px";

const measure = document.createElement("canvas").getContext("2d");

/** Draws this host, and the way to each peer. The table below has the same in words. */
export class Picture {
  readonly #root = find("picture", HTMLDivElement);
  #view: View | undefined;
  #width = 0;

  constructor() {
    new ResizeObserver(() => this.#draw()).observe(this.#root);
  }

  show(view: View): void {
    this.#view = view;
    this.#draw();
  }

  #draw(): void {
    const view = this.#view;
    if (view === undefined) return;
    this.#width = Math.floor(this.#root.clientWidth);
    if (this.#width === 0) return;
    const items = itemsOf(view, capacityOf(this.#width));
    const { interface: name, ownName, key } = view;
    whenChanged(this.#root, [this.#width, name, ownName, items], () => [
      drawing(this.#width, ownName ?? "this host", name === "" ? key : name, items),
    ]);
  }
}

/** One item for each peer, or one for each kind of path when there are too many. */
function itemsOf({ peers, peerCount }: View, capacity: number): Item[] {
  if (peerCount <= capacity) return peers.map(itemOf);
  return KINDS.flatMap(([kind]) => {
    const some = peers.filter((peer) => (peer.kind ?? "none") === kind);
    if (some.length === 0) return [];
    return [
      {
        name: count(some.length, "peer"),
        detail: some.map(({ name }) => name).join(", "),
        kind,
        time: timesOf(some),
      },
    ];
  });
}

function itemOf(peer: PeerView): Item {
  const { name, kind = "none", state, roundTripMs, path, addresses } = peer;
  const relay =
    kind === "relay" || kind === "turn" ? path.replace(/^relayed (?:by turn )?(?:by )?/, "by ") : undefined;
  const [address = ""] = addresses;
  return {
    name,
    detail: relay ?? address,
    kind,
    time: kind === "none" ? state : roundTripMs === undefined ? "" : milliseconds(roundTripMs),
  };
}

/** The shortest and the longest round trip of some peers. */
function timesOf(peers: readonly PeerView[]): string {
  const times = peers.flatMap(({ roundTripMs }) => roundTripMs ?? []);
  if (times.length === 0) return "";
  const [least, most] = [Math.min(...times), Math.max(...times)].map(milliseconds) as [string, string];
  return least === most ? least : `${least.replace(/ ms$/, "")}–${most}`;
}

function drawing(width: number, name: string, detail: string, items: readonly Item[]): SVGSVGElement {
  const { height, hub, places, trunk } = layOut(width, items.length);
  const alternative = "The way to each peer. The table of peers says the same in words.";
  return svg(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": alternative },
    ...(trunk === undefined ? [] : [svg("path", { class: "trunk", d: trunk })]),
    ...places.map(({ line }, i) => svg("path", { class: `line ${items[i]?.kind ?? "none"}`, d: line })),
    ...places.flatMap((place, i) => {
      const item = items[i];
      return item === undefined ? [] : [hostOf(place, item)];
    }),
    hubOf(hub, name, detail),
  );
}

function hostOf({ box, labelX, labelY }: Place, { name, detail, kind, time }: Item): SVGGElement {
  const words = WORDS[kind] ?? "";
  return svg(
    "g",
    {},
    svg("title", {}, `${name}: ${words} ${time}`),
    svg("rect", { class: "node", rx: 8, ...box }),
    ...twoLines(box, name, detail, ""),
    svg("text", { class: "minor", x: labelX, y: labelY - 7, "text-anchor": "middle" }, words),
    svg("text", { class: "minor", x: labelX, y: labelY + 17, "text-anchor": "middle" }, time),
  );
}

function hubOf(box: Box, name: string, detail: string): SVGGElement {
  return svg(
    "g",
    {},
    svg("rect", { class: "hub", rx: 10, ...box }),
    ...twoLines(box, name, detail, " on-hub"),
  );
}

function twoLines(box: Box, name: string, detail: string, more: string): SVGTextElement[] {
  const x = box.x + box.width / 2;
  const y = box.y + box.height / 2;
  const room = box.width - 16;
  const line = (text: string, font: string, kind: string, at: number): SVGTextElement =>
    svg("text", { class: `${kind}${more}`, x, y: at, "text-anchor": "middle" }, fit(text, room, font));
  if (detail === "") return [line(name, NAME_FONT, "name", y + 5)];
  return [line(name, NAME_FONT, "name", y - 2), line(detail, MINOR_FONT, "minor", y + 14)];
}

/** As much of a text as has room. */
function fit(text: string, room: number, font: string): string {
  if (measure === null) return text;
  measure.font = `${font} ${getComputedStyle(document.body).fontFamily}`;
  if (measure.measureText(text).width <= room) return text;
  const characters = Array.from(text.slice(0, 200));
  let [least, most] = [0, characters.length];
  while (least < most) {
    const half = Math.ceil((least + most) / 2);
    if (measure.measureText(`${characters.slice(0, half).join("")}…`).width <= room) least = half;
    else most = half - 1;
  }
  return `${characters.slice(0, least).join("")}…`;
}

/** A short line as it is in the picture, for the table. */
export function sampleOf(kind: string): SVGSVGElement {
  return svg(
    "svg",
    { class: "sample", viewBox: "0 0 40 12", "aria-hidden": "true" },
    svg("path", { class: `line ${kind}`, d: "M2 6H38" }),
  );
}
