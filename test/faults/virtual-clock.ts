import { vi } from "vitest";

/** The day it is. */
const MIDNIGHT = Date.UTC(2026, 0, 1);

/** How far it goes while no promise waits. */
const LARGE_STEP_MS = 1000;

interface Timer {
  readonly at: number;
  /** Timers of one moment ring in the order in which they were set. */
  readonly order: number;
  ring: (() => void) | undefined;
}

/**
 * Takes the place of `setTimeout`, `clearTimeout` and `performance.now`: a day passes in seconds.
 * A heap, where a million timers a minute are nothing.
 */
export class VirtualClock {
  #now = 0;
  #set = 0;
  #live = 0;
  readonly #heap: Timer[] = [];

  /** Milliseconds since it was installed. */
  get now(): number {
    return this.#now;
  }

  /** The wall clock: Unix milliseconds. */
  get wall(): number {
    return MIDNIGHT + this.#now;
  }

  /** How many timers are set. */
  get timers(): number {
    return this.#live;
  }

  install(): void {
    vi.stubGlobal("setTimeout", (ring: () => void, delayMs: number): Timer => {
      // As Node has it: at least 1 ms.
      const timer: Timer = { at: this.#now + Math.max(delayMs, 1), order: this.#set++, ring };
      this.#push(timer);
      this.#live++;
      return timer;
    });
    vi.stubGlobal("clearTimeout", (timer: Timer | undefined): void => {
      if (timer?.ring === undefined) return;
      timer.ring = undefined;
      this.#live--;
    });
    vi.stubGlobal("performance", Object.create(performance, { now: { value: () => this.#now } }));
  }

  uninstall(): void {
    vi.unstubAllGlobals();
  }

  /** Rings what comes next, and everything else of that moment, if it is due by then. */
  step(until: number): void {
    this.#dropCleared();
    const at = Math.min(this.#heap[0]?.at ?? until, until);
    this.#now = Math.max(this.#now, at);
    for (;;) {
      this.#dropCleared();
      const [first] = this.#heap;
      if (first === undefined || first.at > this.#now) return;
      this.#pop();
      const { ring } = first;
      first.ring = undefined;
      this.#live--;
      ring?.();
    }
  }

  /**
   * Lets time pass.
   * @param isBusy - whether promises may wait between one timer and the next
   */
  async passUntil(at: number, isBusy: () => boolean): Promise<void> {
    // What was begun just now sets its first timers.
    await macrotask();
    while (this.#now < at) {
      const most = Math.min(at, this.#now + LARGE_STEP_MS);
      do this.step(most);
      while (this.#now < most && !isBusy());
      await macrotask();
    }
  }

  #dropCleared(): void {
    while (this.#heap[0] !== undefined && this.#heap[0].ring === undefined) this.#pop();
  }

  #push(timer: Timer): void {
    const heap = this.#heap;
    let at = heap.push(timer) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!this.#swapIfBefore(at, parent)) return;
      at = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    heap[0] = last;
    let at = 0;
    for (;;) {
      const left = 2 * at + 1;
      const right = left + 1;
      const child = isBefore(heap[right], heap[left]) ? right : left;
      if (!this.#swapIfBefore(child, at)) return;
      at = child;
    }
  }

  /** Swaps two places if the first one's timer rings first. */
  #swapIfBefore(a: number, b: number): boolean {
    const [x, y] = [this.#heap[a], this.#heap[b]];
    if (x === undefined || y === undefined || !isBefore(x, y)) return false;
    this.#heap[a] = y;
    this.#heap[b] = x;
    return true;
  }
}

function isBefore(a: Timer | undefined, b: Timer | undefined): boolean {
  if (a === undefined || b === undefined) return false;
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** Lets every promise that can go on go on. */
export function macrotask(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
