import { badge, shortOf } from "./badge.js";
import { element } from "./element.js";
import type { Peer, Standing } from "./peer.js";
import { timeText } from "./time-text.js";

const PHASES: Readonly<Record<Standing, string>> = {
  asking: "A stranger calls",
  calling: "Calling",
  open: "Connected",
  recovering: "Recovering",
  waiting: "No answer, trying again",
  gone: "Gone",
};

/** One peer: where the connection stands, how it came about, what it is like. */
export class PeerCard {
  readonly root: HTMLElement;
  readonly #peer: Peer;
  readonly #phase = element("span", { className: "phase" });
  readonly #steps = element("ol", { className: "steps" });
  readonly #figures = element("dl", { className: "figures" });
  readonly #log = element("ol", { className: "log" });
  readonly #details = element("details", {}, element("summary", {}, "What happened"), this.#log);
  readonly #accept = element("button", { type: "button", className: "accept" }, "Accept");
  readonly #callAgain = element("button", { type: "button" }, "Call again");

  /** @param open - whether to show what happened from the beginning */
  constructor(peer: Peer, open: boolean) {
    this.#peer = peer;
    this.#details.open = open;
    this.#accept.ariaLabel = `Accept ${shortOf(peer.address)}`;
    this.#callAgain.ariaLabel = `Call ${shortOf(peer.address)} again`;
    this.#log.tabIndex = 0;
    this.#log.ariaLabel = "What happened, the latest first";
    this.#accept.addEventListener("click", () => peer.accept());
    this.#callAgain.addEventListener("click", () => peer.call());
    this.root = element(
      "article",
      { className: "card peer" },
      // Read out when the phase changes.
      element(
        "header",
        { ariaLive: "polite", ariaAtomic: "true" },
        badge(peer.address),
        this.#phase,
        this.#accept,
        this.#callAgain,
      ),
      this.#steps,
      this.#figures,
      this.#details,
    );
    this.root.dataset.address = peer.address;
    this.root.tabIndex = -1;
  }

  /** Leaves room for others. */
  fold(): void {
    this.#details.open = false;
  }

  show(): void {
    const { phase, progress, signalMs, signalBy, channelMs } = this.#peer;
    this.root.dataset.phase = phase;
    if (this.#phase.textContent !== PHASES[phase]) this.#phase.textContent = PHASES[phase];
    this.#showButton(this.#accept, phase === "asking");
    this.#showButton(this.#callAgain, phase === "gone");

    const { offer, answer, channel, firstByte } = progress.milestones;
    const candidates =
      progress.candidatesIn > 0 ? `${progress.candidatesOut} ⇄ ${progress.candidatesIn}` : "";
    this.#steps.replaceChildren(
      step("Offer", timeText(offer)),
      step("Answer", timeText(answer)),
      step("Candidates", candidates),
      step("Channel", timeText(channel)),
      step("First byte", timeText(firstByte)),
    );
    this.#figures.replaceChildren(
      ...figure("Signaling round trip", timeText(signalMs), signalBy === undefined ? "" : `by ${signalBy}`),
      ...figure("Channel round trip", timeText(channelMs), "peer to peer"),
    );
    const notes = progress.notes.map(({ atMs, text }) =>
      element("li", {}, element("time", {}, timeText(atMs)), text),
    );
    this.#log.replaceChildren(...notes.reverse());
  }

  /** A button that goes leaves the focus in its card. */
  #showButton(button: HTMLButtonElement, isShown: boolean): void {
    const hadFocus = document.activeElement === button;
    button.hidden = !isShown;
    if (hadFocus && !isShown) this.root.focus();
  }
}

function step(name: string, value: string): HTMLElement {
  const className = value === "" ? "" : "done";
  return element(
    "li",
    { className },
    element("b", {}, name),
    element("span", {}, value === "" ? "…" : value),
  );
}

function figure(name: string, value: string, detail: string): HTMLElement[] {
  const small = element("small", {}, value === "" ? "" : detail);
  return [element("dt", {}, name), element("dd", {}, value === "" ? "–" : value, small)];
}
