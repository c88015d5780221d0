import type { Router } from "sidewire";
import type { Context } from "./context.js";
import type { People } from "./people.js";

/**
 * The pause between two warnings about refused messages, in ms. Otherwise strangers could fill the screen with
 * warnings.
 */
const TELL_EVERY_MS = 60_000;

/**
 * Warns when no message can arrive, and says when the connection is back. @returns a function that ends the warnings;
 * call it before the router is closed
 */
export function tellTroubles({ output, signal }: Context, router: Router, people: People): () => void {
  let connected: boolean | undefined;
  let isOver = false;
  router.on("broker", () => {
    const now = router.stats().brokers.some(({ state }) => state === "open");
    if (now === (connected ?? false) || signal.aborted || isOver) return;
    if (!now) output.warn("NO_BROKER", "no broker is connected any more; trying again");
    else if (connected === false && output.json) void output.result({ event: "connected" }, () => "");
    else if (connected === false) output.note("Connected again.");
    connected = now;
  });
  let toldAt = Number.NEGATIVE_INFINITY;
  router.on("dropped", ({ reason, from = "", ageMs = 0 }) => {
    if ((reason !== "too-old" && reason !== "too-new") || performance.now() - toldAt < TELL_EVERY_MS) return;
    toldAt = performance.now();
    const seconds = Math.round(Math.abs(ageMs) / 1000);
    const message = `refused a message from ${from === "" ? "somebody" : people.short(from)}, sent ${seconds} s ${ageMs > 0 ? "ago" : "ahead"} by its clock: see sidewire doctor`;
    output.warn("CLOCK", message, { from, ageMs });
  });
  return () => {
    isOver = true;
  };
}
