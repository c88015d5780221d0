import { describe, expect, it, vi } from "vitest";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { poolOf, startPeer, use } from "../support/peers.js";

/** How many messages wait for a reader. */
const ROOM = 1024;

/** What is sent all at once is there at last, also on a busy machine. */
const PATIENT = { timeoutMs: 15_000 };

describe("a receiver that is slower than its peer", () => {
  it("is handed in its place what found no room twice, though its successor did", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool, { gapTimeoutMs: 700 })]);
    const pipe = await ann.pipe(ben.address);
    const texts = Array.from({ length: ROOM + 2 }, (_, i) => `${i}`);
    const filling = await Promise.all(texts.slice(0, ROOM).map((text) => pipe.send(text, PATIENT)));
    expect(filling).not.toContain(0);

    const refused = pipe.send(`${ROOM}`);
    await vi.waitFor(() => expect(ben.stats().dropped.full).toBeGreaterThan(1), { timeout: 5000 });
    const reader = ben.messages();
    const read = [await reader.next()];
    expect(await pipe.send(`${ROOM + 1}`)).toBe(4);
    // Its third try comes a second later: after a gap would be given up where there is room.
    expect(await refused).toBe(4);
    while (read.length < texts.length) read.push(await reader.next());
    expect(read.map(({ value }) => value?.text())).toEqual(texts);
  });

  it("does not make what others lost wait for longer than such tries take", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool, { gapTimeoutMs: 700 })]);
    const pipe = await ann.pipe(ben.address);
    const filling = await Promise.all(Array.from({ length: ROOM }, (_, i) => pipe.send(`${i}`, PATIENT)));
    expect(filling).not.toContain(0);

    expect(await pipe.send("given up", { timeoutMs: 300 })).toBe(0);
    const reader = ben.messages();
    await reader.next();
    const sentAt = performance.now();
    expect(await pipe.send("behind it")).toBe(9);
    for (let i = 1; i < ROOM; i++) await reader.next();
    const { value } = await reader.next();
    expect(value?.text()).toBe("behind it");
    expect(performance.now() - sentAt).toBeLessThan(5000);
  });

  it("is handed in its place what had to wait too long for its signature to be checked", async () => {
    const pool = poolOf([use(await startEmbeddedBroker())]);
    const verify = async (): Promise<boolean> => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      return true;
    };
    const [ann, ben] = await Promise.all([startPeer(pool), startPeer(pool, { verify })]);
    // More than may wait of one source that is a stranger.
    const pipes = await Promise.all(Array.from({ length: 5 }, () => ann.pipe(ben.address)));
    const numbers = Array.from({ length: 64 }, (_, i) => i);
    const sent = await Promise.all(pipes.flatMap((pipe) => numbers.map((i) => pipe.send(`${i}`, PATIENT))));
    expect(ben.stats().dropped.full).toBeGreaterThan(0);
    expect(sent).not.toContain(0);
  });
});
