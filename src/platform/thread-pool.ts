import { startTimer } from "../base/timer.js";

/** Longer than a signature waits for its thread while the pool works for us alone, even on a busy machine. */
const PATIENCE_MS = 25;

/** How long the pool counts as used up after somebody waited in vain. */
const USED_UP_MS = 1000;

/**
 * Work for Node's thread pool that goes on when the application has used the pool up: its few threads belong to
 * the whole process, and a handful of password hashes or file reads take all of them for seconds. Whoever has
 * waited too long does the work on the event loop, one at a turn of it.
 */
export class ThreadPool {
  #usedUpUntil = Number.NEGATIVE_INFINITY;

  /**
   * @param start - starts the work in the pool; calls back with how it ended
   * @param here - the same work, on the event loop
   */
  run<T>(start: (done: (error: Error | null, result: T) => void) => void, here: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const doHere = (): void => {
        try {
          resolve(here());
        } catch (error) {
          reject(error);
        }
      };
      // Between two of them everything else has its turn.
      if (performance.now() < this.#usedUpUntil) return void setImmediate(doHere);
      const stop = startTimer(PATIENCE_MS, () => {
        this.#usedUpUntil = performance.now() + USED_UP_MS;
        doHere();
      });
      try {
        start((error, result) => {
          stop();
          if (error) reject(error);
          else resolve(result);
        });
      } catch (error) {
        stop();
        reject(error);
      }
    });
  }
}
