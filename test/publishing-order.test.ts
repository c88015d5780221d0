import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { PublishingOrder } from "../src/sending/publishing-order.js";

/** Messages that are ready to be published, each of which tells when it may be. */
function queue(count: number): { order: PublishingOrder; log: string[]; leave: (i: number) => void } {
  const order = new PublishingOrder();
  const log: string[] = [];
  const places = Array.from({ length: count }, () => order.enter());
  for (const [i, place] of places.entries()) {
    order.reached(place, undefined).then(() => log.push(`${i}`));
  }
  const leave = (i: number): void => {
    const place = places[i];
    if (place) order.leave(place);
  };
  return { order, log, leave };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the order of publishing", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("is that of entering, and leaves no timer behind", async () => {
    const { log, leave } = queue(3);
    await turn();
    expect(log).toEqual(["0"]);
    leave(0);
    leave(0);
    await turn();
    expect(log).toEqual(["0", "1"]);
    leave(1);
    await turn();
    expect(log).toEqual(["0", "1", "2"]);
    leave(2);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("waits for nobody once the one before has left", async () => {
    const { order, leave } = queue(1);
    const behind = order.enter();
    leave(0);
    await order.reached(behind, undefined);
    order.leave(behind);
    await order.reached(order.enter(), undefined);
  });

  it("waits half a second for one that is not signed", async () => {
    const { log } = queue(2);
    await vi.advanceTimersByTimeAsync(499);
    expect(log).toEqual(["0"]);
    await vi.advanceTimersByTimeAsync(1);
    expect(log).toEqual(["0", "1"]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is not waited for any more after an abort, which ends nobody else's wait", async () => {
    const { order, log, leave } = queue(2);
    const aborter = new AbortController();
    const place = order.enter();
    const waiting = order.reached(place, aborter.signal);
    aborter.abort();
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED" });
    await expect(order.reached(place, aborter.signal)).rejects.toMatchObject({ code: "ABORTED" });
    expect(log).toEqual(["0"]);
    leave(0);
    await turn();
    expect(log).toEqual(["0", "1"]);
  });
});
