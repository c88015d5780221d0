import { cpuTime } from "../cpu-time.js";

/** How often it is looked, ms. */
const EVERY_MS = 1;

let timer: ReturnType<typeof setInterval> | undefined;
let longest = 0;

/** Starts to look how long this thread computes between two timers, afresh. */
export function watchLoop(): void {
  clearInterval(timer);
  let last = cpuTime();
  longest = 0;
  timer = setInterval(() => {
    const now = cpuTime();
    longest = Math.max(longest, now - last);
    last = now;
  }, EVERY_MS);
}

/** The longest since then, ms; ends the watch. */
export function longestBlock(): number {
  clearInterval(timer);
  return longest;
}
