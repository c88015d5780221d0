import { encodeQR } from "qr";
import type { BrokerStats } from "sidewire";
import { badge } from "./badge.js";
import { MAX_LINES } from "./chat-log.js";
import { MAX_LINE_LENGTH } from "./conversation.js";
import { byId, element, squares } from "./element.js";
import { type Fate, Mark } from "./mark.js";
import type { Peer } from "./peer.js";
import { PeerCard } from "./peer-card.js";
import { timeText } from "./time-text.js";

/** A broker as the page shows it. */
export interface BrokerRow {
  readonly name: string;
  readonly port: number;
  readonly stats: BrokerStats | undefined;
}

/** Why nobody else, or nobody at all, can follow the invitation. */
export type Hindrance = "connecting" | "offline" | "alone";

const HINDRANCES: Readonly<Record<Hindrance, readonly [title: string, detail: string]>> = {
  connecting: ["Connecting …", "The invitation works once a broker is connected."],
  offline: ["Offline", "No broker can be reached, so nobody can call this tab. The page goes on trying."],
  alone: [
    "Only on this device",
    "This device is in no network, so the link works in its own browsers alone.",
  ],
};

/** What people do on the page. */
export interface Actions {
  say(text: string): void;
  /** Starts or stops a broker. */
  control(port: number, action: "start" | "stop"): void;
}

/** All that is seen, but for the cards of the peers. */
export class View {
  #control: Actions["control"] = () => {};
  #hindrance: Hindrance | undefined;
  readonly #notices = new Map<string, string>();
  readonly #cards = new Map<string, PeerCard>();
  readonly #lines = byId("lines", HTMLOListElement);
  readonly #marks = new Map<number, Mark>();
  readonly #text = byId("text", HTMLInputElement);

  constructor() {
    this.#text.maxLength = MAX_LINE_LENGTH;
    // What scrolls is scrolled by the keyboard, too.
    const scroll = byId("scroll", HTMLElement);
    Object.assign(scroll, { tabIndex: 0, role: "region", ariaLabel: "What was said" });
    byId("peers", HTMLElement).tabIndex = -1;
    byId("copy", HTMLButtonElement).addEventListener("click", () => void this.#copy());
  }

  /** Takes what people do to where it is done. */
  listen({ say, control }: Actions): void {
    this.#control = control;
    byId("say", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const text = this.#text.value.trim();
      if (text !== "") say(text);
      this.#text.value = "";
      this.#text.focus();
    });
  }

  showSelf(address: string, link: string): void {
    byId("self", HTMLElement).replaceChildren(badge(address));
    byId("link", HTMLInputElement).value = link;
    byId("second", HTMLAnchorElement).href = link;
    byId("qr", HTMLElement).replaceChildren(squares(encodeQR(link, "raw"), "QR code of the invitation link"));
  }

  /**
   * Says who can follow the invitation. There is a QR code only for what a phone can reach.
   * @param hindrance - why it leads nowhere for others
   */
  showReach(hindrance: Hindrance | undefined): void {
    const offline = byId("offline", HTMLElement);
    byId("qr", HTMLElement).hidden = hindrance !== undefined;
    offline.hidden = hindrance === undefined;
    // It is read out when it changes.
    if (hindrance === this.#hindrance) return;
    this.#hindrance = hindrance;
    const [title, detail] = hindrance === undefined ? ["", ""] : HINDRANCES[hindrance];
    offline.replaceChildren(element("b", {}, title), detail);
  }

  /**
   * Says something above all else.
   * @param topic - of which only the latest is shown
   * @param text - undefined takes it away
   */
  notice(topic: string, text: string | undefined): void {
    if (text === undefined) this.#notices.delete(topic);
    else this.#notices.set(topic, text);
    const notice = byId("notice", HTMLElement);
    const all = [...this.#notices.values()].join("\n");
    notice.hidden = all === "";
    // It is an alert: what is set again is read out again.
    if (notice.textContent !== all) notice.textContent = all;
  }

  showBrokers(rows: readonly BrokerRow[]): void {
    const open = rows.filter(({ stats }) => stats?.state === "open").length;
    byId("broker-count", HTMLElement).textContent = `${open} of ${rows.length} connected`;
    const list = byId("brokers", HTMLUListElement);
    rows.forEach((row, i) => {
      const item = list.children[i] ?? list.appendChild(this.#brokerItem(row));
      const state = row.stats?.state ?? "idle";
      item.setAttribute("data-state", state);
      setText(item, ".state", stateOf(row));
      const button = item.querySelector("button");
      const action = state === "open" ? "Stop" : "Start";
      setText(item, "button", action);
      if (button !== null) button.ariaLabel = `${action} the broker ${row.name}`;
    });
  }

  showPeer(peer: Peer): void {
    let card = this.#cards.get(peer.address);
    if (card === undefined) {
      for (const known of this.#cards.values()) known.fold();
      // What happened on the way to the first is there to be read, where there is room; then it is known.
      card = new PeerCard(peer, this.#cards.size === 0 && innerWidth > 680);
      this.#cards.set(peer.address, card);
      byId("peers", HTMLElement).append(card.root);
      document.body.dataset.peers = String(this.#cards.size);
    }
    card.show();
    if (peer.phase === "asking") return;
    byId("send", HTMLButtonElement).disabled = false;
    this.#text.disabled = false;
    this.#text.placeholder = "Say something";
  }

  /** Takes a card away; another will follow. */
  removePeer(address: string): void {
    const root = this.#cards.get(address)?.root;
    // Who was in the card goes on where it was.
    if (root?.contains(document.activeElement)) byId("peers", HTMLElement).focus();
    root?.remove();
    this.#cards.delete(address);
  }

  /** A line of somebody else's. */
  showLine(from: string, text: string): void {
    this.#append(element("li", {}, badge(from), element("p", {}, text)));
  }

  /** A line of one's own, under every number by which peers will acknowledge it. */
  showOwnLine(text: string, numbers: readonly number[]): void {
    const mark = new Mark(numbers);
    for (const number of numbers) this.#marks.set(number, mark);
    this.#append(element("li", { className: "own" }, element("p", {}, text), mark.root));
  }

  /** Shows what became of a line of one's own. */
  mark(number: number, fate: Fate): void {
    this.#marks.get(number)?.set(number, fate);
    if (fate === "delivered") this.#marks.delete(number);
  }

  /** Adds a line at the end, which stays in sight if it was; the style sheet sees to that. */
  #append(line: HTMLElement): void {
    this.#lines.append(line);
    if (this.#lines.childElementCount > MAX_LINES) this.#lines.firstElementChild?.remove();
  }

  #brokerItem({ name, port }: BrokerRow): HTMLElement {
    const button = element("button", { type: "button", title: "As if it had failed, or come back" });
    button.addEventListener("click", () =>
      this.#control(port, button.textContent === "Stop" ? "stop" : "start"),
    );
    const text = element("div", {}, element("code", {}, name), element("small", { className: "state" }));
    return element("li", {}, element("span", { className: "dot" }), text, button);
  }

  async #copy(): Promise<void> {
    const link = byId("link", HTMLInputElement);
    link.select();
    // Pages of a network's own addresses come without TLS, and so without a clipboard; the old way works there.
    const copied = isSecureContext
      ? await navigator.clipboard.writeText(link.value).then(
          () => true,
          () => false,
        )
      : document.execCommand("copy");
    byId("copied", HTMLElement).textContent = copied ? "Copied." : "It is selected: copy it from here.";
    setTimeout(() => byId("copied", HTMLElement).replaceChildren(), 3000);
  }
}

function setText(root: Element, selector: string, text: string): void {
  const found = root.querySelector(selector);
  if (found !== null && found.textContent !== text) found.textContent = text;
}

function stateOf({ stats }: BrokerRow): string {
  if (stats === undefined || stats.state === "idle") return "not dialled yet";
  if (stats.state === "connecting") return "connecting";
  if (stats.state === "waiting") return `gone, next try in ${Math.ceil((stats.nextTryInMs ?? 0) / 1000)} s`;
  const { roundTripMs, sent } = stats;
  return `${sent} sent${roundTripMs === undefined ? "" : `, ${timeText(roundTripMs)}`}`;
}
