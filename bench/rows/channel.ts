import type { Browser, BrowserContext, Page } from "playwright-core";
import { type Example, serveExample } from "../../examples/webrtc/server.js";
import { acceptCalls } from "../../test/browser/example-page.js";
import { findChromium, launchChromium } from "../../test/support/chromium.js";
import { type Row, times, timesOf } from "../report.js";
import { interleaved, type Rounds, ratioOf } from "../statistics.js";

const ROUNDS = 12;
const BARE_BLOCK = 3;

/** What a page of the example marked in its timeline, Unix ms. */
interface Marks {
  readonly openedAt: number;
  /** When its first connection was begun. */
  readonly begunAt: number;
  /** When its last connection had a byte of the other side. */
  readonly firstByteAt: number;
}

/**
 * The first byte over a data channel between two pages of the example, from what they began with until both have
 * it, against two connections in one page. No rows without Chromium.
 */
export async function channelRows(): Promise<Row[]> {
  const program = findChromium();
  if (program === undefined) return [];
  await using example = await serveExample("127.0.0.1", 0);
  const browser = await launchChromium(program, []);
  try {
    const alone = await browser.newPage();
    await alone.goto(example.url);
    const { bare, called, crossing, loaded } = await interleaved(ROUNDS, {
      bare: () => measureBare(alone),
      called: () => withPair(browser, example, callOnce),
      crossing: () => withPair(browser, example, callEachOther),
      loaded: () => withPair(browser, example, loadBoth),
    });
    const row = (what: string, rounds: Rounds): Row => ({
      what: `first byte over a data channel, ${what}`,
      measured: timesOf(rounds),
      against: `two connections in one page: ${timesOf(bare)}`,
      result: times(ratioOf(rounds, bare)),
      bar: "reported",
    });
    return [
      row("from a call that is accepted at once", called),
      row("from two calls that cross", crossing),
      row("from the start of both pages", loaded),
    ];
  } finally {
    await browser.close();
  }
}

/** Two connections that hand each other what they say: what a data channel costs by itself. */
async function measureBare(page: Page): Promise<number[]> {
  return await page.evaluate(async (count) => {
    const took: number[] = [];
    for (let i = 0; i < count; i++) {
      const startedAt = performance.now();
      const pcs = [new RTCPeerConnection(), new RTCPeerConnection()] as const;
      const heard = pcs.map((pc, side) => {
        pc.onicecandidate = ({ candidate }) => void pcs[1 - side]?.addIceCandidate(candidate ?? undefined);
        const channel = pc.createDataChannel("bench", { negotiated: true, id: 0 });
        channel.onopen = () => channel.send("hello");
        return new Promise((resolve) => {
          channel.onmessage = resolve;
        });
      });
      const [a, b] = pcs;
      await a.setLocalDescription();
      if (a.localDescription !== null) await b.setRemoteDescription(a.localDescription);
      await b.setLocalDescription();
      if (b.localDescription !== null) await a.setRemoteDescription(b.localDescription);
      await Promise.all(heard);
      took.push(performance.now() - startedAt);
      for (const pc of pcs) pc.close();
    }
    return took;
  }, BARE_BLOCK);
}

type Pair = readonly [ann: Page, ben: Page];

/** Two people's pages, ready, who do not know each other yet. */
async function withPair(
  browser: Browser,
  example: Example,
  measure: (pair: Pair) => Promise<number>,
): Promise<number[]> {
  const contexts = [await browser.newContext(), await browser.newContext()] as const;
  try {
    const open = async (context: BrowserContext): Promise<Page> => {
      await context.addInitScript(acceptCalls);
      const page = await context.newPage();
      await page.goto(example.url);
      await page.locator('.brokers li[data-state="open"]').first().waitFor();
      return page;
    };
    return [await measure([await open(contexts[0]), await open(contexts[1])])];
  } finally {
    for (const context of contexts) await context.close();
  }
}

async function callOnce([ann, ben]: Pair): Promise<number> {
  await call(ben, await addressOf(ann));
  return elapsed(await marksOf(ann, ben), ({ begunAt }) => begunAt, Math.min);
}

async function callEachOther([ann, ben]: Pair): Promise<number> {
  const [a, b] = [await addressOf(ann), await addressOf(ben)];
  await Promise.all([call(ann, b), call(ben, a)]);
  return elapsed(await marksOf(ann, ben), ({ begunAt }) => begunAt, Math.min);
}

/** Loads both again at once: each calls whom it knows. */
async function loadBoth(pair: Pair): Promise<number> {
  await callOnce(pair);
  await Promise.all(pair.map((page) => page.reload()));
  return elapsed(await marksOf(...pair), ({ openedAt }) => openedAt, Math.max);
}

function elapsed(
  marks: readonly Marks[],
  since: (marks: Marks) => number,
  which: (...times: number[]) => number,
): number {
  return Math.max(...marks.map(({ firstByteAt }) => firstByteAt)) - which(...marks.map(since));
}

async function addressOf(page: Page): Promise<string> {
  return new URL(await page.locator("#link").inputValue()).hash.slice(1);
}

/** As if the link to somebody had been opened in this tab. */
async function call(page: Page, address: string): Promise<void> {
  await page.evaluate((to) => {
    location.hash = to;
  }, address);
}

async function marksOf(...pages: readonly Page[]): Promise<Marks[]> {
  return await Promise.all(
    pages.map(async (page) => {
      await page.waitForFunction(() => performance.getEntriesByName("firstByte").length > 0);
      // No function of its own in there: the loader would give it a helper that the page has not.
      const { openedAt, begun, heard } = await page.evaluate(() => ({
        openedAt: performance.timeOrigin,
        begun: performance.getEntriesByName("begun").map(({ startTime }) => startTime),
        heard: performance.getEntriesByName("firstByte").map(({ startTime }) => startTime),
      }));
      return {
        openedAt,
        begunAt: openedAt + Math.min(...begun),
        firstByteAt: openedAt + Math.max(...heard),
      };
    }),
  );
}
