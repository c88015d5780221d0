import { cell, milliseconds, paint, say } from "../../../examples/demo/screen.js";
import type { Told } from "./commanded-host.js";
import type { Side } from "./side.js";

/** Something that happened. */
export interface Moment {
  /** Unix ms. */
  readonly at: number;
  readonly who: string;
  readonly what: string;
  readonly isGood?: boolean;
}

/** What a daemon told since then, the first of each kind. */
export function momentsOf(side: Side, other: Side, since: number): Moment[] {
  const kinds = new Set<string>();
  return side
    .told()
    .filter(({ time }) => time >= since)
    .flatMap((told): Moment[] => {
      const words = inWords(told, other.name);
      if (words === undefined || kinds.has(words[0])) return [];
      kinds.add(words[0]);
      return [{ at: told.time, who: side.name, what: words[1], isGood: words[0] === "direct" }];
    });
}

function inWords(told: Told, other: string): [kind: string, words: string] | undefined {
  if (told.event === "ready") return ["ready", `looks after its WireGuard, port ${told.listenPort}`];
  if (told.event === "peer" && told.state === "direct" && told.path !== undefined)
    return ["direct", `takes the direct path: WireGuard sends to ${told.path.endpoint}`];
  if (told.event !== "step") return undefined;
  switch (told.step) {
    case "seen":
      return [told.step, `STUN answers after ${milliseconds(told.roundTripMs)}: seen as ${told.endpoint}`];
    case "announced":
      return [
        told.step,
        `announces that to ${other} ${told.by === "brokers" ? "over the broker" : "directly"}`,
      ];
    case "heard":
      return [told.step, `hears where ${other} is`];
    case "answered":
      return [told.step, `probe to ${told.endpoint} answered after ${milliseconds(told.roundTripMs)}`];
  }
}

/** Shows what happened, in its order, with the milliseconds since a moment. */
export function showTimeline(moments: readonly Moment[], since: number): void {
  say(paint("dim", `  ${cell("ms", -6)}  what`));
  for (const { at, who, what, isGood = false } of moments.toSorted((a, b) => a.at - b.at)) {
    const ms = cell(Math.max(0, at - since).toFixed(0), -6);
    say(`  ${ms}  ${cell(who, 6, "cyan")} ${isGood ? paint("green", what) : what}`);
  }
}
