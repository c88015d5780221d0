import { openSync, readSync } from "node:fs";

/** How often it is looked, ms. */
const EVERY_MS = 1;

let timer: ReturnType<typeof setInterval> | undefined;
let longest = 0;

/**
 * Starts to look how long the event loop is kept from its timers, afresh. What counts is the time that
 * this thread computes between two looks: on a busy machine the other programs' turns are not its doing.
 */
export function watchLoop(): void {
  clearInterval(timer);
  let last = threadTime();
  longest = 0;
  timer = setInterval(() => {
    const now = threadTime();
    longest = Math.max(longest, now - last);
    last = now;
  }, EVERY_MS);
}

/** The longest since then, ms; ends the watch. */
export function longestBlock(): number {
  clearInterval(timer);
  return longest;
}

const schedule: number | undefined = openSchedule();
const text: Buffer = Buffer.alloc(128);

/** What this thread has computed so far, ms; by the clock on the wall where the system does not tell. */
function threadTime(): number {
  if (schedule === undefined) return performance.now();
  // Makes Linux bring the counter up to date, which else it does a few hundred times a second.
  process.cpuUsage();
  const length = readSync(schedule, text, 0, text.length, 0);
  return Number.parseInt(text.toString("latin1", 0, length), 10) / 1e6;
}

function openSchedule(): number | undefined {
  try {
    return openSync(`/proc/self/task/${process.pid}/schedstat`, "r");
  } catch {
    return undefined;
  }
}
