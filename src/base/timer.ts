/**
 * A timer that fires this late was held up: the application kept the thread busy, or the process was stopped. Data that
 * came in meanwhile has not been read yet.
 */
const HELD_UP_MS = 50;

/** The extra time for reading and checking that data is as long as the timer was late, but at most this. */
const CATCH_UP_MS = 250;

/** The maximum number of extra times. After them the timer fires even when the thread is always busy. */
const CATCH_UPS = 4;

/**
 * Calls `act` after some time, as `setTimeout` does. A timer that was held up first lets the incoming data be read: an
 * answer that has arrived counts, however late the timer is. All code that gives up, repeats or disconnects after some
 * time uses this timer.
 *
 * @param ms - 0 to 2^31 - 1
 * @param isReferenced - whether the timer keeps the process alive (Node); default: true
 * @returns a function that stops the timer
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
    // In a background page, timers may fire once a minute only, and always late, while data of its WebSockets comes in
    // at once. So a page catches up by messages of a MessageChannel, not by another timer. Browsers count a timer that
    // is set by a message as the first of a chain, and delay it by one second at most.
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

/** An imitation of a page in tests, such as jsdom, may have no MessageChannel. */
const isPage: boolean = typeof document === "object" && typeof MessageChannel === "function";

/** Lets all other work have its turn for some time, without a timer. */
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
