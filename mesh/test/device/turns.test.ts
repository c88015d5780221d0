import { describe, expect, it } from "vitest";
import { Turns } from "../../src/device/turns.js";

const ends = (signal: AbortSignal): Promise<never> =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

describe("turns", () => {
  it("are taken one after the other, also after one that failed", async () => {
    const turns = new Turns("wg0");
    const seen: string[] = [];
    const work = (name: string) => async () => {
      seen.push(`${name} begins`);
      await Promise.resolve();
      seen.push(`${name} ends`);
      if (name === "b") throw new Error("b failed");
      return name;
    };
    const all = await Promise.allSettled(["a", "b", "c"].map((name) => turns.take(undefined, work(name))));
    expect(seen).toEqual(["a begins", "a ends", "b begins", "b ends", "c begins", "c ends"]);
    expect(all.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  it("can be given up, in the turn and before it, by who took it alone", async () => {
    const turns = new Turns("wg0");
    const [first, second] = [new AbortController(), new AbortController()];
    const running = turns.take(first.signal, ends);
    let isRun = false;
    const waiting = turns.take(second.signal, async () => {
      isRun = true;
    });
    const last = turns.take(undefined, async () => "last");
    const reason = new Error("enough");
    second.abort(reason);
    await expect(waiting).rejects.toMatchObject({ code: "ABORTED", cause: reason });
    first.abort();
    await expect(running).rejects.toMatchObject({ code: "ABORTED" });
    expect(await last).toBe("last");
    expect(isRun).toBe(false);
    await expect(turns.take(AbortSignal.abort(), async () => 1)).rejects.toMatchObject({ code: "ABORTED" });
  });

  it("are waited for by as many as there are, without a warning of Node's", async () => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on("warning", note);
    const turns = new Turns("wg0");
    const all = Array.from({ length: 50 }, () => turns.take(undefined, ends));
    const closed = turns.close();
    for (const one of all) await expect(one).rejects.toMatchObject({ code: "CLOSED" });
    await closed;
    await new Promise(setImmediate);
    process.off("warning", note);
    expect(warnings).toEqual([]);
  });

  it("are over once closed: what runs ends, what waits does not begin", async () => {
    const turns = new Turns("wg0");
    const all = [turns.take(undefined, ends), turns.take(undefined, ends)];
    const closed = turns.close();
    for (const one of all) await expect(one).rejects.toMatchObject({ code: "CLOSED" });
    await closed;
    await expect(turns.take(undefined, ends)).rejects.toMatchObject({ code: "CLOSED" });
    expect(turns.isClosed).toBe(true);
  });
});
