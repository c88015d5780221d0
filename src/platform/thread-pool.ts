import { startTimer } from "../base/timer.js";

/**
 * How long to wait for the pool, in ms. A signature takes less time than this when nobody else uses the pool, even on a
 * busy machine.
 */
const PATIENCE_MS = 25;

/** How long the pool counts as busy after a wait was too long, in ms. */
const USED_UP_MS = 1000;

/**
 * Runs work in Node's thread pool, and goes on when the application keeps the pool busy. The whole process shares the
 * pool's few threads, and a handful of password hashes or file reads can occupy all of them for seconds. Work that has
 * waited too long is done on the event loop, one piece per turn.
 */
export class ThreadPool {
  #usedUpUntil = Number.NEGATIVE_INFINITY;

  /**
   * @param start - starts the work in the pool, and calls back with the outcome
   * @param here - the same work, done on the event loop
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
      // One piece per turn: everything else has its turn in between.
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
