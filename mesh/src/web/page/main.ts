import { clockTime, count, span } from "../../cli/printable.js";
import type { FeedState } from "../feed.js";
import type { View } from "../view.js";
import { Connection, type Trouble, takeToken } from "./connection.js";
import { find, html, setText, whenChanged } from "./dom.js";
import { EventList } from "./events.js";
import { Inviting } from "./invite.js";
import { showMembers } from "./members.js";
import { offerNetcheck } from "./netcheck.js";
import { PeerTable } from "./peers.js";
import { Picture } from "./picture.js";

const TROUBLES: Readonly<Record<Trouble, string>> = {
  refused: "This page needs the whole address that sidewire-mesh web has printed. Open that address.",
  busy: "This page is open too often. It goes on when another one is closed.",
  cut: "The command sidewire-mesh web does not answer. If it has ended, start it again and open the address that it prints.",
};

const banner = find("banner", HTMLParagraphElement);
const live = find("live", HTMLParagraphElement);
const main = find("main", HTMLElement);

/** Says what is wrong, in words; nothing for undefined. What is shown may then be old. */
function showTrouble(text: string | undefined, at: number): void {
  banner.hidden = text === undefined;
  setText(banner, text ?? "");
  setText(
    live,
    text === undefined ? "live" : at === 0 ? "not connected" : `as of ${clockTime(new Date(at))}`,
  );
  live.classList.toggle("live", text === undefined);
  main.classList.toggle("stale", text !== undefined);
}

function showHost({ interface: name, key, since, host, troubles, peers, peerCount }: View): void {
  document.title = `${name}: ${count(peerCount, "peer")} · sidewire-mesh`;
  setText(find("interface", HTMLSpanElement), name);
  setText(find("own-key", HTMLParagraphElement), key);
  const reached = peers.filter(({ kind }) => kind !== undefined).length;
  const direct = peers.filter(({ state }) => state === "direct").length;
  setText(
    find("summary", HTMLParagraphElement),
    peerCount === 0
      ? "This host has no peers yet."
      : `${count(peerCount, "peer")}: ${direct} direct, ${reached - direct} relayed, ${peers.length - reached} without a path`,
  );
  whenChanged(find("troubles", HTMLUListElement), troubles, () => troubles.map((one) => html("li", {}, one)));
  find("troubles", HTMLUListElement).hidden = troubles.length === 0;
  const facts = [...host, ["Runs for", span(Date.now() - since)] as const];
  whenChanged(find("host", HTMLDListElement), facts, () =>
    facts.flatMap(([title, text]) => [html("dt", {}, title), html("dd", {}, text)]),
  );
}

function begin(token: string): void {
  const connection = new Connection(token);
  const picture = new Picture();
  const table = new PeerTable();
  const inviting = new Inviting(connection);
  const events = new EventList();
  offerNetcheck(connection, (text) => events.announce(text));
  let lastAt = 0;
  void connection.listen({
    state({ view, at, away, events: fresh }: FeedState, isFirst) {
      lastAt = at;
      showTrouble(
        away === undefined ? undefined : `${away}. This page goes on by itself when the daemon answers.`,
        at,
      );
      events.add(fresh, isFirst);
      if (view === undefined) return;
      main.hidden = false;
      showHost(view);
      picture.show(view);
      table.show(view);
      showMembers(view.network);
      inviting.show(view.network);
    },
    trouble: (trouble) => showTrouble(TROUBLES[trouble], lastAt),
  });
}

// Another address in the same tab changes nothing but what is behind the `#`, for which nothing is loaded.
addEventListener("hashchange", () => location.reload());
const token = takeToken();
if (token === undefined) showTrouble(TROUBLES.refused, 0);
else begin(token);
