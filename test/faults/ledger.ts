import { expect, vi } from "vitest";
import type { Router, SmartPipe } from "../../src/index.js";

/** What became of the messages of one or more flows. */
export interface Counts {
  readonly sent: number;
  readonly acknowledged: number;
  readonly shown: number;
  /** Acknowledged, and never shown. */
  readonly lost: number;
  /** Shown again. */
  readonly doubled: number;
  /** Shown after a later one. */
  readonly outOfOrder: number;
}

/** How long to watch for what must not come. */
const WATCH_MS = 1500;

/** The messages from a pipe to one receiver, or to several that share a key. */
export class Flow {
  readonly #tag: string;
  readonly #pipe: SmartPipe;
  readonly #acknowledged = new Set<number>();
  /** What each receiver has shown, in order. */
  readonly #shown: readonly number[][];
  #sent = 0;
  readonly #waiting = new Set<{ readonly from: number; readonly resolve: () => void }>();

  constructor(tag: string, pipe: SmartPipe, receivers: readonly Router[]) {
    this.#tag = tag;
    this.#pipe = pipe;
    this.#shown = receivers.map((receiver) => {
      const shown: number[] = [];
      receiver.on("message", (message) => {
        const [of, number] = message.text().split(" ");
        if (of === tag) shown.push(Number(number));
      });
      return shown;
    });
  }

  /** Sends the next message; resolves to whether it was acknowledged. */
  async send(): Promise<boolean> {
    const number = this.#sent++;
    const bytes = await this.#pipe.send(`${this.#tag} ${number}`);
    if (bytes === 0) return false;
    this.#acknowledged.add(number);
    for (const waiter of this.#waiting) {
      if (number < waiter.from) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
    return true;
  }

  /** Resolves once one of the messages that are sent from now on is acknowledged. */
  nextAcknowledged(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add({ from: this.#sent, resolve }));
  }

  /** Sends at a steady pace until told to stop; resolves when every send has come to its end. */
  async run(everyMs: number, goOn: (sent: number) => boolean): Promise<boolean[]> {
    const sends: Promise<boolean>[] = [];
    while (goOn(sends.length)) {
      sends.push(this.send());
      await pause(everyMs);
    }
    return await Promise.all(sends);
  }

  counts(): Counts {
    let [lost, doubled, outOfOrder] = [0, 0, 0];
    for (const shown of this.#shown) {
      const seen = new Set<number>();
      let last = -1;
      for (const number of shown) {
        if (seen.has(number)) doubled++;
        else if (number < last) outOfOrder++;
        seen.add(number);
        last = Math.max(last, number);
      }
      for (const number of this.#acknowledged) if (!seen.has(number)) lost++;
    }
    return {
      sent: this.#sent,
      acknowledged: this.#acknowledged.size,
      shown: this.#shown.reduce((sum, shown) => sum + shown.length, 0),
      lost,
      doubled,
      outOfOrder,
    };
  }
}

/** Waits until everything acknowledged was shown, and longer for what must not come; then adds up. */
export async function settle(flows: readonly Flow[]): Promise<Counts> {
  const lost = (): number => flows.reduce((sum, flow) => sum + flow.counts().lost, 0);
  await vi.waitFor(() => expect(lost()).toBe(0), { timeout: 5000, interval: 20 }).catch(() => {});
  // No event tells that nothing more will come.
  await pause(WATCH_MS);
  return total(flows.map((flow) => flow.counts()));
}

export function total(all: readonly Counts[]): Counts {
  const sum = (field: keyof Counts): number => all.reduce((before, counts) => before + counts[field], 0);
  return {
    sent: sum("sent"),
    acknowledged: sum("acknowledged"),
    shown: sum("shown"),
    lost: sum("lost"),
    doubled: sum("doubled"),
    outOfOrder: sum("outOfOrder"),
  };
}

/** What must hold whatever happens. */
export function expectNothingWrong(counts: Counts): void {
  expect(counts).toMatchObject({ lost: 0, doubled: 0, outOfOrder: 0 });
  expect(counts.sent).toBeGreaterThan(0);
}

/** What must hold besides where brokers suffice. */
export function expectAllAcknowledged(counts: Counts): void {
  expectNothingWrong(counts);
  expect(counts.acknowledged).toBe(counts.sent);
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
