/**
 * Calls `act` after everything else that is due: incoming data, timers, the application's work. A promise alone is not
 * enough, because microtasks run before all of these. A timer is too slow: a page in the background gets few of them.
 */
export const nextTask: (act: () => void) => void =
  typeof setImmediate === "function"
    ? (act) => void setImmediate(act)
    : typeof MessageChannel === "function"
      ? pageTask
      : (act) => void setTimeout(act); // jsdom, which imitates a page in tests, has neither

/**
 * Does long work in a turn of its own. Everything else that is due has its turn before the work, and again between the
 * work and the code that uses the result.
 */
export async function inOwnTurn<T>(work: () => T | Promise<T>): Promise<T> {
  await new Promise<void>(nextTask);
  const done = await work();
  await new Promise<void>(nextTask);
  return done;
}

function pageTask(act: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    act();
  };
  port2.postMessage(undefined);
}
