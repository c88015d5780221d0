/**
 * `npm run bench:webrtc`: from the start of two pages to an open channel between them, in Chromium, by sidewire/webrtc
 * and by Trystero's MQTT strategy, in turns, over the same four brokers. An argument says how often; then nothing is
 * written down.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { Keypair } from "../../src/index.js";
import { findChromium, launchChromium } from "../../test/support/chromium.js";
import { startBroker } from "../../test/support/needs.js";
import { serveFolder } from "../../test/support/web-server.js";
import { ms, writeSection } from "../report.js";
import { median, quantile } from "../statistics.js";

const RUNS = 50;
const BROKERS = 4;
/** A run that takes longer has failed. */
const GIVE_UP_MS = 30_000;

type Runs = Record<"own" | "trystero" | "floor", Run[]>;

interface Run {
  /** From the start of the page that started later, ms, until both have a channel. */
  readonly tookMs: number;
  /** What happened in the page that was ready last, ms from its start. */
  readonly steps: Readonly<Record<string, number>>;
}

/** How long to wait until the browser has made its new windows, ms. On a busy machine it is never at rest. */
const REST_PATIENCE_MS = 3000;

/**
 * Resolves when the processors were idle for most of a tenth of a second. Making two windows keeps Chromium busy for
 * longer than it takes to open a channel, and is not what is measured here.
 */
async function atRest(): Promise<void> {
  const read = (): { idle: number; all: number } => {
    const times = cpus().map(({ times }) => times);
    const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
    return {
      idle: sum(times.map(({ idle }) => idle)),
      all: sum(times.flatMap((each) => Object.values(each))),
    };
  };
  const end = performance.now() + REST_PATIENCE_MS;
  for (let before = read(); performance.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = read();
    if (now.idle - before.idle > 0.9 * (now.all - before.all)) return;
    before = now;
  }
}

/** Opens two pages at once, each in a profile of its own. */
async function measure(browser: Browser, urls: readonly string[]): Promise<Run> {
  const contexts = await Promise.all(urls.map(() => browser.newContext()));
  try {
    const pages = await Promise.all(contexts.map((context) => context.newPage()));
    await atRest();
    const marks = await Promise.all(
      pages.map(async (page, i) => {
        await page.goto(urls[i] ?? "", { waitUntil: "commit" });
        await page.waitForFunction(() => window.openedAt !== undefined, undefined, { timeout: GIVE_UP_MS });
        return await page.evaluate(() => ({
          begunAt: performance.timeOrigin,
          openedAt: window.openedAt ?? Number.NaN,
          steps: window.steps,
        }));
      }),
    );
    const begunAt = Math.max(...marks.map((each) => each.begunAt));
    const last = marks.reduce((a, b) => (a.openedAt > b.openedAt ? a : b));
    const steps = Object.entries(last.steps).map(([step, at]) => [step, at - last.begunAt] as const);
    return { tookMs: last.openedAt - begunAt, steps: Object.fromEntries(steps) };
  } finally {
    for (const context of contexts) await context.close();
  }
}

/** Serves each kind of page as one file, minified, as a site would. */
async function servePages(): Promise<Awaited<ReturnType<typeof serveFolder>>> {
  const folder = mkdtempSync(join(tmpdir(), "sidewire-bench-webrtc-"));
  process.once("exit", () => rmSync(folder, { recursive: true, force: true }));
  for (const kind of ["own", "trystero", "floor"]) {
    writeFileSync(
      join(folder, `${kind}.html`),
      `<!doctype html><meta charset="utf-8"><title>${kind}</title><script type="module" src="${kind}.js"></script>`,
    );
    await build({
      entryPoints: [join(import.meta.dirname, `${kind}-page.ts`)],
      outfile: join(folder, `${kind}.js`),
      bundle: true,
      minify: true,
      format: "esm",
      target: "es2022",
    });
  }
  return await serveFolder(folder, "default-src 'self'; connect-src ws:; worker-src blob:");
}

function summary(name: string, runs: readonly Run[]): string[] {
  const times = runs.map(({ tookMs }) => tookMs);
  return [name, ms(median(times)), ms(quantile(times, 0.9)), ms(Math.max(...times)), ms(Math.min(...times))];
}

/** The median time of each step, in the order in which they happen. */
function stepsOf(runs: readonly Run[]): string[] {
  const names = new Set(runs.flatMap(({ steps }) => Object.keys(steps)));
  const rows = [...names].flatMap((name) => {
    const times = runs.flatMap(({ steps }) => steps[name] ?? []);
    return times.length * 2 < runs.length ? [] : [[median(times), `${name} ${ms(median(times))}`] as const];
  });
  return rows.toSorted(([a], [b]) => a - b).map(([, text]) => text);
}

async function main(): Promise<void> {
  const program = findChromium();
  if (program === undefined) throw new Error("there is no Chromium on this machine");
  const [given] = process.argv.slice(2);
  const count = given === undefined ? RUNS : Number(given);
  const brokers = await Promise.all(
    Array.from({ length: BROKERS }, (_, i) => startBroker(`127.0.8.${i + 1}`)),
  );
  const site = await servePages();
  const browser = await launchChromium(program, []);
  try {
    const pool = {
      IPv4: Object.fromEntries(brokers.map(({ host, port, webPort }) => [host, { port, ws: webPort }])),
    };
    const urlOf = (kind: string, given: object): string =>
      new URL(`${kind}.html#${encodeURIComponent(JSON.stringify(given))}`, site.url).href;
    const own = (): Promise<Run> => {
      const [a, b] = [Keypair.generate(), Keypair.generate()];
      const pageOf = (keys: Keypair, other: Keypair): string =>
        urlOf("own", {
          secretKey: Buffer.from(keys.secretKey).toString("hex"),
          address: other.publicKeyHex,
          brokers: pool,
        });
      return measure(browser, [pageOf(a, b), pageOf(b, a)]);
    };
    const trystero = (): Promise<Run> => {
      const room = Keypair.generate().publicKeyHex;
      const urls = brokers.map(({ host, webPort }) => `ws://${host}:${webPort}/mqtt`);
      return measure(browser, [urlOf("trystero", { room, urls }), urlOf("trystero", { room, urls })]);
    };
    const floor = (): Promise<Run> => {
      const [a, b] = [Keypair.generate().publicKeyHex, Keypair.generate().publicKeyHex];
      const urls = brokers.map(({ host, webPort }) => `ws://${host}:${webPort}/mqtt`);
      return measure(browser, [
        urlOf("floor", { own: a, other: b, isCaller: true, urls }),
        urlOf("floor", { own: b, other: a, isCaller: false, urls }),
      ]);
    };
    const runs: Runs = { own: [], trystero: [], floor: [] };
    // The first of each is thrown away: the browser has not loaded anything then.
    for (let i = -1; i < count; i++) {
      const turns = Object.entries({ own, trystero, floor }) as [keyof Runs, () => Promise<Run>][];
      for (const [kind, turn] of i % 2 === 0 ? turns : turns.toReversed()) {
        const run = await turn();
        if (i >= 0) runs[kind].push(run);
      }
      process.stderr.write(".");
    }
    report(runs, given === undefined);
  } finally {
    await browser.close();
    await site[Symbol.asyncDispose]();
    await Promise.all(brokers.map((broker) => broker[Symbol.asyncDispose]()));
  }
}

function report({ own, trystero, floor }: Runs, isWritten: boolean): void {
  const rows = [
    ["ms", "median", "p90", "worst", "best"],
    ["---", "---", "---", "---", "---"],
    summary("sidewire/webrtc", own),
    summary("Trystero, MQTT", trystero),
    summary("the floor", floor),
  ];
  const table = rows.map((row) => `| ${row.join(" | ")} |`).join("\n");
  const times = own.map(({ tookMs }) => tookMs);
  const theirs = median(trystero.map(({ tookMs }) => tookMs));
  const ratio = median(times) / theirs;
  const least = median(floor.map(({ tookMs }) => tookMs));
  const tail = Math.max(...times) / median(times);
  const text = `${table}

- The median is ${ratio.toFixed(2)} × Trystero's. The bar is 0.7 ×: ${ratio <= 0.7 ? "met" : "NOT met"}.
- The worst is ${tail.toFixed(2)} × the own median. The bar is 2 ×: ${tail <= 2 ? "met" : "NOT met"}.
- The floor is a page that only dials the four brokers, and sends an offer and an answer in clear text. Its median is
  ${(least / theirs).toFixed(2)} × Trystero's. Above the floor, sidewire/webrtc takes ${ms(median(times) - least)} ms, and Trystero ${ms(theirs - least)} ms.
- The machine's load was ${loadavg()[1]?.toFixed(1)} on average of the last five minutes.
- Where the time goes, ms from the start of the page that is ready last, medians: ${stepsOf(own).join(", ")}.
- The same for Trystero: ${stepsOf(trystero).join(", ")}.`;
  console.log(`\n${text}`);
  if (isWritten) writeSection("webrtc", "From the start of two pages to a channel, beside Trystero", text);
}

await main();
