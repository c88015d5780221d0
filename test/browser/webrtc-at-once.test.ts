import { expect, it } from "vitest";
import { withChromium } from "../support/needs.js";
import { atOurPace } from "../support/pace.js";
import { hostExample } from "./example-host.js";
import { type ExamplePage, type Meeting, talk } from "./example-page.js";

/** From the moment in which both have called until both have a byte of the other, ms. */
const BAR_MS = 1000;

withChromium("pages of the WebRTC example that call each other at once", { timeout: 120_000 }, (launch) => {
  const host = hostExample(launch);

  /** What went wrong on the way, by the notes of a page. */
  const faults = async (page: ExamplePage): Promise<string[]> =>
    (await page.log()).filter((note) => /refused|came about|calling again|nobody/.test(note));
  const tookMs = (meetings: readonly Meeting[]): number =>
    Math.max(...meetings.map(({ firstByteAt }) => firstByteAt)) -
    Math.max(...meetings.map(({ begunAt }) => begunAt));

  it("connect at the first try, 20 times, each within a second", async () => {
    const [ann, ben] = await host.connected();
    const bar = atOurPace(BAR_MS);
    for (let i = 0; i < 20; i++) {
      const took = tookMs(await Promise.all([ann.reload(), ben.reload()]));
      expect({ i, faults: [...(await faults(ann)), ...(await faults(ben))] }).toEqual({ i, faults: [] });
      expect({ i, took }).toSatisfy(() => took < bar);
    }
    await talk(ann, ben, "Hello");
    expect([...ann.problems, ...ben.problems]).toEqual([]);
  });

  it("connect all three of them", async () => {
    const [ann, ben] = await host.connected();
    const eve = await host.open(await ann.link());
    const pages = [ann, ben, eve];
    const addresses = await Promise.all(pages.map((page) => page.address()));
    await eve.untilPhase("open");
    await eve.page.evaluate(
      (to) => {
        location.hash = to;
      },
      await ben.address(),
    );
    const untilOpen = async (): Promise<void> => {
      for (const page of pages) {
        const own = await page.address();
        for (const other of addresses) if (other !== own) await page.untilPhase("open", other);
      }
    };
    await untilOpen();
    for (let i = 0; i < 3; i++) {
      await Promise.all(pages.map(({ page }) => page.reload()));
      await untilOpen();
    }
    await ann.say("Hello all");
    await Promise.all([ben.untilHears("Hello all"), eve.untilHears("Hello all")]);
  });
});
