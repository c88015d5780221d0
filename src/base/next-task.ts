/**
 * Calls `act` once everything else that is due had its turn: what came in, timers, the application. Promises alone
 * never let anything else in between. No timer: those are rare in a page that is in the background.
 */
export const nextTask: (act: () => void) => void =
  typeof setImmediate === "function"
    ? (act) => void setImmediate(act)
    : typeof MessageChannel === "function"
      ? pageTask
      : (act) => void setTimeout(act); // what stands in for a page in tests, as jsdom, has neither

/**
 * Does what takes long in a turn of its own: everything else that is due has its turn before it, and before what
 * follows from it.
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
