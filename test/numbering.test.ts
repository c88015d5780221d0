import { afterEach, describe, expect, it, vi } from "vitest";
import { Numbering, randomQueueId } from "../src/sending/numbering.js";

/** A generator that gives the same bytes each time, as one does in two copies of a virtual machine. */
function repeatRandomBytes(): void {
  vi.spyOn(globalThis.crypto, "getRandomValues").mockImplementation((array) => {
    if (array !== null) Buffer.from(array.buffer, array.byteOffset, array.byteLength).fill(7);
    return array;
  });
}

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

describe("a queue id", () => {
  it("has 32 bytes in hex, and is another one each time", () => {
    const ids = new Set(Array.from({ length: 100 }, randomQueueId));
    expect(ids.size).toBe(100);
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{64}$/);
  });

  it("is another one at another time, where the random bytes are the same", () => {
    repeatRandomBytes();
    vi.stubGlobal("performance", { now: () => 1000 });
    vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_000);
    const first = randomQueueId();
    expect(randomQueueId()).toBe(first);
    vi.spyOn(Date, "now").mockReturnValue(1_700_000_000_001);
    const second = randomQueueId();
    vi.stubGlobal("performance", { now: () => 1000.1 });
    expect(new Set([first, second, randomQueueId()]).size).toBe(3);
  });
});

describe("the numbering of a pipe", () => {
  it("goes on in one queue", () => {
    const numbering = new Numbering();
    const places = [numbering.next(0), numbering.next(0)];
    numbering.settle(0);
    places.push(numbering.next(0));
    expect(places.map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
    expect(new Set(places.map(({ queueId }) => queueId)).size).toBe(1);
  });

  it("begins a new queue after a wake, once nothing of the old one is on its way", () => {
    const numbering = new Numbering();
    const first = numbering.next(0);
    // Still on its way: its successors stay behind it.
    const second = numbering.next(1);
    expect(second).toEqual({ queueId: first.queueId, sequence: 1 });
    numbering.settle(0);
    const third = numbering.next(1);
    expect(third.sequence).toBe(0);
    expect(third.queueId).not.toBe(first.queueId);
    numbering.settle(0);
    expect(numbering.next(1)).toEqual({ queueId: third.queueId, sequence: 1 });
  });

  it("lets a new queue wait for what may wait at the receiver, behind a gap of the old one", () => {
    const numbering = new Numbering();
    expect(numbering.restsUntil(0)).toBeLessThan(0);
    numbering.next(0);
    numbering.settle(10_000);
    // Nothing more was on its way since.
    numbering.settle(20_000);
    expect(numbering.restsUntil(0)).toBeLessThan(0);
    expect(numbering.restsUntil(1)).toBe(11_500);
    numbering.next(1);
    expect(numbering.restsUntil(1)).toBeLessThan(0);
  });

  it("takes back what no broker has seen, unless it is of another queue", () => {
    const numbering = new Numbering();
    const first = numbering.next(0);
    numbering.giveBack(first);
    expect(numbering.next(0)).toEqual(first);
    numbering.settle(0);
    const second = numbering.next(1);
    numbering.giveBack(first);
    expect(numbering.next(1)).toEqual({ queueId: second.queueId, sequence: 1 });
  });
});
