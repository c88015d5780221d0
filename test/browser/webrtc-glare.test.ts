import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { withChromium } from "../support/needs.js";
import { atOurPace } from "../support/pace.js";
import { openPage } from "../support/watched-page.js";
import { serveFolder } from "../support/web-server.js";
import type { Line, Nonsense, Outcome, Plan } from "./calls-page.js";

/** How long a call may take, ms. */
const BAR_MS = 1000;

withChromium("two sides of a WebRTC connection", { timeout: 240_000 }, (launchChromium) => {
  let browser: Browser;
  let site: Awaited<ReturnType<typeof serveFolder>>;
  let page: Page;
  let problems: readonly string[];
  const folder = mkdtempSync(join(tmpdir(), "sidewire-calls-"));

  beforeAll(async () => {
    writeFileSync(
      join(folder, "index.html"),
      '<!doctype html><meta charset="utf-8"><title>Calls</title><script type="module" src="calls.js"></script>',
    );
    await build({
      entryPoints: [join(import.meta.dirname, "calls-page.ts")],
      outfile: join(folder, "calls.js"),
      bundle: true,
      format: "esm",
      target: "es2022",
    });
    [browser, site] = await Promise.all([launchChromium(), serveFolder(folder, "default-src 'self'")]);
  });
  afterAll(async () => {
    await Promise.all([browser?.close(), site?.[Symbol.asyncDispose]()]);
    rmSync(folder, { recursive: true });
  });
  beforeEach(openAnother);
  afterEach(() => expect(problems).toEqual([]));

  /** A page may have 500 connections, and those that are closed count for a while. */
  async function openAnother(): Promise<void> {
    for (const context of browser.contexts()) await context.close();
    ({ page, problems } = await openPage(await browser.newContext(), site.url));
  }

  const inOrder = { delayMs: 60, inOrder: true, twice: 0 };
  const shuffled = { delayMs: 60, inOrder: false, twice: 0.3 };
  const converse = (plan: Plan): Promise<Outcome> => page.evaluate((all) => window.converse(all), plan);
  const negotiate = (line: Line, restarts: number): Promise<Outcome> =>
    page.evaluate(([how, count]) => window.negotiate(how, count), [line, restarts] as const);

  /**
   * Runs something so many times, with signals in their order and with signals that come twice and in any order;
   * nothing is given up, and none takes longer than it may.
   */
  async function expectAll(
    count: number,
    run: (seed: number, line: typeof shuffled) => Promise<Outcome>,
  ): Promise<void> {
    const bar = atOurPace(BAR_MS);
    for (const line of [inOrder, shuffled]) {
      await openAnother();
      for (let seed = 1; seed <= count; seed++) {
        if (seed % 50 === 0) {
          expect(problems).toEqual([]);
          await openAnother();
        }
        const { tookMs, failures } = await run(seed, line);
        expect({ line, seed, failures }).toEqual({ line, seed, failures: [] });
        expect({ line, seed, tookMs }).toSatisfy(() => tookMs < bar);
      }
    }
  }

  it("connect at the first try when they call each other at once, 100 times", async () => {
    // The calls are as far apart as a signal needs, or less: some cross, some don't.
    await expectAll(100, (seed, line) =>
      converse({ ...line, seed, callers: [0, 1], apartMs: seed % 2 === 0 ? 0 : line.delayMs }),
    );
  });

  it("connect when one is loaded again in the middle", async () => {
    await expectAll(30, async (seed, line) => {
      const reload = { side: seed % 2, afterMs: (seed * 7) % 150 };
      const plan = { ...line, seed, callers: [0, 1], apartMs: 0, reload };
      const { tookMs, failures } = await converse(plan);
      // Who stays may notice that the channel is gone before the new call arrives.
      return { tookMs, failures: failures.filter((why) => !why.endsWith("the channel was closed")) };
    });
  });

  it("agree when both offer and restart ICE at once", async () => {
    await expectAll(10, (seed, line) => negotiate({ ...line, seed }, 3));
  });

  it("leave nothing behind when one of them goes in the middle", async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const leave = { side: seed % 2, afterMs: seed * 5 };
      const { failures } = await converse({ ...shuffled, seed, callers: [0, 1], apartMs: 0, leave });
      expect(failures.filter((why) => why.includes("has left"))).toEqual([]);
      await page.evaluate(([line, ms]) => window.breakOff(line, ms), [
        { ...shuffled, seed },
        seed * 5,
      ] as const);
    }
  });

  it("bear what is no browser's, and as much of it as there is", async () => {
    const kinds: readonly Nonsense[] = [
      "answers to nothing",
      "offers of nothing",
      "offers far ahead",
      "candidates that are none",
      "candidates of nothing",
    ];
    for (const kind of kinds) {
      const said = await page.evaluate((what) => window.babble(what, 20_000), kind);
      // Its own offer, its candidates, and an answer to each offer that can be answered, of as many as wait at once.
      expect({ kind, said }).toSatisfy(() => said < 200);
    }
  });
});
