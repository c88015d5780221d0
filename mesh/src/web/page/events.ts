import { clockTime } from "../../cli/printable.js";
import type { FeedEvent } from "../feed.js";
import { find, html, setText } from "./dom.js";

/** The maximum number of events in the list. */
const MAX_EVENTS = 200;

/** How long events are gathered before they are read aloud as one, in ms. */
const GATHER_MS = 4000;

/** The list of events, the latest first. It is not read aloud itself: {@link announce} tells what counts, seldom. */
export class EventList {
  readonly #list = find("events", HTMLOListElement);
  #waiting: string[] = [];

  constructor() {
    // What scrolls must be reached by keyboard.
    const scroll = find("event-scroll", HTMLDivElement);
    scroll.tabIndex = 0;
    scroll.setAttribute("role", "region");
    scroll.setAttribute("aria-labelledby", "events-title");
  }

  /** @param isFirst - whether these are all events, none of which is new */
  add(events: readonly FeedEvent[], isFirst: boolean): void {
    if (isFirst) this.#list.replaceChildren();
    this.#list.prepend(...events.map(itemOf).reverse());
    while (this.#list.children.length > MAX_EVENTS) this.#list.lastElementChild?.remove();
    find("no-events", HTMLParagraphElement).hidden = this.#list.children.length > 0;
    if (!isFirst) for (const { text } of events) this.announce(text);
  }

  /** Has a text read aloud, together with others of the same few seconds. */
  announce(text: string): void {
    this.#waiting.push(text);
    if (this.#waiting.length > 1) return;
    setTimeout(() => {
      const [first = "", ...more] = this.#waiting;
      this.#waiting = [];
      const rest = more.length === 0 ? "" : ` And ${more.length} more events.`;
      setText(find("announcer", HTMLParagraphElement), first + rest);
    }, GATHER_MS);
  }
}

function itemOf({ at, text }: FeedEvent): HTMLLIElement {
  const date = new Date(at);
  return html(
    "li",
    {},
    html("time", { datetime: date.toISOString(), title: date.toLocaleString() }, clockTime(date)),
    html("span", {}, text),
  );
}
