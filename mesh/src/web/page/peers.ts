import { bytes, count, milliseconds, span } from "../../cli/printable.js";
import type { PeerView, View } from "../view.js";
import { find, html, setPlace, setText } from "./dom.js";
import { sampleOf } from "./picture.js";

/** From this number of peers on, one can be sought by its name. */
const SEARCH_FROM = 13;

/** From this number of peers on, the table scrolls by itself. */
const SCROLL_FROM = 25;

type Column = readonly [title: string, text: (peer: PeerView, now: number) => string];

const COLUMNS: readonly Column[] = [
  ["Path", ({ path, reason, state }) => (reason === undefined ? path : `${state}: ${reason}`)],
  ["Round trip", ({ roundTripMs }) => (roundTripMs === undefined ? "" : milliseconds(roundTripMs))],
  ["Endpoint", ({ endpoint }) => endpoint ?? ""],
  [
    "Handshake",
    ({ handshakeAt }, now) => (handshakeAt === undefined ? "none yet" : `${span(now - handshakeAt)} ago`),
  ],
  [
    "Traffic",
    // A line breaks at the comma alone.
    ({ received, sent }) => [`${bytes(received)} in,`, `${bytes(sent)} out`].map(unbroken).join(" "),
  ],
];

/** The number of columns, from the path on, that say something only where there is a path. */
const KNOWN_WITH_PATH = 3;

/** The maximum length of an address in the short list of them, which has all of IPv4. */
const SHORT_ADDRESS = 18;

/** How the columns look, by their titles. */
const LOOKS: Readonly<Record<string, string>> = {
  "Round trip": "number trip",
  Endpoint: "endpoint",
  Path: "path",
  Handshake: "number handshake",
  Traffic: "traffic",
};

/** A row stays the same element while its peer stays, so that a selection of the reader stays, too. */
interface Row {
  readonly element: HTMLTableRowElement;
  readonly name: HTMLElement;
  readonly addresses: HTMLElement;
  readonly cells: readonly HTMLElement[];
  readonly sample: HTMLElement;
  kind: string | undefined;
}

/** The table of peers. It has in words what the picture shows. */
export class PeerTable {
  readonly #rows = new Map<string, Row>();
  readonly #body: HTMLTableSectionElement;
  readonly #find = find("find", HTMLInputElement);
  #view: View | undefined;

  constructor() {
    const titles = ["Peer", ...COLUMNS.map(([title]) => title)];
    const head = titles.map((title) => html("th", { scope: "col", role: "columnheader" }, title));
    this.#body = html("tbody", { role: "rowgroup" });
    const table = find("peer-table", HTMLTableElement);
    // Where rows are shown as cards, an element alone would not be a part of a table any more.
    table.setAttribute("role", "table");
    const region = find("peer-scroll", HTMLDivElement);
    region.setAttribute("role", "region");
    region.setAttribute("aria-labelledby", "peers-title");
    table.append(html("thead", { role: "rowgroup" }, html("tr", { role: "row" }, ...head)), this.#body);
    this.#find.addEventListener("input", () => {
      if (this.#view !== undefined) this.show(this.#view);
    });
  }

  show(view: View): void {
    this.#view = view;
    const { peers, peerCount } = view;
    const hasSearch = peers.length >= SEARCH_FROM;
    this.#makeScroll(peers.length >= SCROLL_FROM);
    find("find-label", HTMLLabelElement).hidden = !hasSearch;
    const wanted = hasSearch ? this.#find.value.trim().toLowerCase() : "";
    const shown = peers.filter((peer) => textOf(peer).includes(wanted));
    this.#keep(shown);
    find("peer-table", HTMLTableElement).hidden = shown.length === 0;
    const note = find("no-peers", HTMLParagraphElement);
    setText(note, noteFor(shown.length, peers.length, peerCount));
    note.hidden = note.textContent === "";
  }

  /** What scrolls must be reached by keyboard. On a narrow screen, the style lets the page scroll instead. */
  #makeScroll(isLong: boolean): void {
    const region = find("peer-scroll", HTMLDivElement);
    region.classList.toggle("long", isLong);
    if (isLong) region.tabIndex = 0;
    else region.removeAttribute("tabindex");
  }

  #keep(peers: readonly PeerView[]): void {
    const keys = new Set(peers.map(({ key }) => key));
    for (const [key, { element }] of this.#rows) {
      if (keys.has(key)) continue;
      element.remove();
      this.#rows.delete(key);
    }
    const now = Date.now();
    peers.forEach((peer, i) => {
      const row = this.#rows.get(peer.key) ?? makeRow(peer);
      this.#rows.set(peer.key, row);
      const there = this.#body.children[i];
      if (there !== row.element) this.#body.insertBefore(row.element, there ?? null);
      fill(row, peer, now);
    });
  }
}

function makeRow({ key }: PeerView): Row {
  const name = html("span");
  const sample = html("div", { class: "path-cell" });
  const path = html("span");
  const cells = COLUMNS.map(([title]) =>
    html("td", { role: "cell", "data-label": title, class: LOOKS[title] ?? "" }),
  );
  cells[0]?.append(sample);
  const short = html("span", { title: key }, `${key.slice(0, 8)}…`);
  const addresses = html("span");
  const more = html("span", { class: "key mono" }, addresses, " · ", short);
  const head = html("th", { scope: "row", role: "rowheader" }, name, more);
  const element = html("tr", { role: "row" }, head, ...cells);
  return { element, name, addresses, cells: [path, ...cells.slice(1)], sample, kind: undefined };
}

function fill(row: Row, peer: PeerView, now: number): void {
  setText(row.name, peer.name);
  setText(row.addresses, addressesInShort(peer.addresses));
  row.addresses.title = peer.addresses.join(", ");
  const kind = peer.kind ?? "none";
  const [path] = row.cells;
  if (row.kind !== kind && path !== undefined) row.sample.replaceChildren(sampleOf(kind), path);
  row.kind = kind;
  // The reason why there is no path has the room of what is not known then.
  const [pathCell, ...others] = Array.from(row.element.cells).slice(1, 1 + KNOWN_WITH_PATH);
  if (pathCell !== undefined) pathCell.colSpan = kind === "none" ? KNOWN_WITH_PATH : 1;
  for (const other of others) other.hidden = kind === "none";
  COLUMNS.forEach(([, text], i) => {
    const cell = row.cells[i];
    if (cell !== undefined) setPlace(cell, text(peer, now));
  });
}

function unbroken(text: string): string {
  return text.replaceAll(" ", "\u00a0");
}

/** Addresses that are short, or the first one, and how many more there are. */
function addressesInShort(addresses: readonly string[]): string {
  const short = addresses.filter(({ length }) => length <= SHORT_ADDRESS);
  const shown = short.length > 0 ? short : addresses.slice(0, 1);
  const more = addresses.length - shown.length;
  return shown.join(", ") + (more > 0 ? ` +${more}` : "");
}

function textOf({ name, key, addresses, endpoint, path }: PeerView): string {
  return [name, key, ...addresses, endpoint, path].join(" ").toLowerCase();
}

function noteFor(shown: number, there: number, all: number): string {
  if (all === 0) return "No peers yet: add one with wg set or to the configuration, or invite one.";
  if (shown < there) return `${shown} of ${count(there, "peer")} have this text.`;
  return there < all ? `The first ${there} of ${all} peers.` : "";
}
