/**
 * A timer that fires so much too late was held up: the application kept the thread busy, or the process was
 * stopped. What came in meanwhile has not been read yet.
 */
const HELD_UP_MS = 50;

/** How long what came in may take to be read and checked, at most: as long again as the timer was late. */
const CATCH_UP_MS = 250;

/** Of a thread that is busy without end so many pauses are used to catch up, then the timer fires all the same. */
const CATCH_UPS = 4;

/**
 * Calls `act` after some time, as `setTimeout` does. When the timer was held up, what came in meanwhile is read
 * first: an answer that is there counts, however late the timer is. Everything that gives up, repeats or hangs up
 * by the clock waits by this timer.
 *
 * @param ms - 0 to 2^31 - 1
 * @param isReferenced - whether the timer keeps the process alive (Node)
 * @returns what stops it
 */
export function startTimer(ms: number, act: () => void, isReferenced = true): () => void {
  let id: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  const wait = (waitMs: number, catchUps: number): void => {
    const dueAt = performance.now() + waitMs;
    id = setTimeout(() => {
      const lateMs = performance.now() - dueAt;
      if (lateMs <= HELD_UP_MS || catchUps === 0) act();
      else catchUp(Math.min(lateMs, CATCH_UP_MS), catchUps - 1);
    }, waitMs);
    if (!isReferenced) id.unref();
  };
  const catchUp = (waitMs: number, catchUps: number): void => {
    // A page in the background gets a timer a minute, late each time, while its messages come in at once. And a timer
    // that a message sets, not a timer, counts as the first of its chain, which is a second late at most.
    if (!isPage) wait(waitMs, catchUps);
    else
      void turns(waitMs).then(() => {
        if (!isOver) act();
      });
  };
  wait(ms, CATCH_UPS);
  return () => {
    isOver = true;
    clearTimeout(id);
  };
}

/** What stands in for a page in tests may have no such messages. */
const isPage: boolean = typeof document === "object" && typeof MessageChannel === "function";

/** Lets everything else have its turn for some time, without a timer. */
async function turns(ms: number): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  const endAt = performance.now() + ms;
  do {
    await new Promise((resolve) => {
      port1.onmessage = resolve;
      port2.postMessage(undefined);
    });
  } while (performance.now() < endAt);
  port1.close();
}
