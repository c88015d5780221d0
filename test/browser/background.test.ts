import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openBarePage } from "../support/bare-page.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { withChromium } from "../support/needs.js";
import { record, startPeer, use } from "../support/peers.js";
import { serveRouterPage } from "./router-page.js";

/** Chromium gives a page in the background a timer a minute, from five minutes on. Here from one second on. */
const AT_ONCE = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1";

/** Longer than a minute, and so often silent for longer than brokers wait with a keep-alive of 10 s. */
const PAUSES_MS: readonly number[] = [5000, 25_000, 30_000, 35_000];
const MESSAGES = 23;

withChromium("a page in the background", { timeout: 150_000 }, (launchChromium) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium(AT_ONCE);
  });
  afterAll(() => browser?.close());

  it("goes on: 92 messages each way in a minute and a half", async () => {
    const tcp = use(await startEmbeddedBroker());
    const ws = use(await startEmbeddedBroker("127.0.0.1", 0, { transport: "ws" }));
    ws.aedes.handle = tcp.aedes.handle;
    const pool = { IPv4: { "127.0.0.1": { port: tcp.port, ws: ws.port } } };
    const ann = await startPeer(pool);
    const shown = record(ann);

    const { evaluate } = await openBarePage(browser, await serveRouterPage(pool));
    await expect.poll(() => evaluate("document.title"), { timeout: 15_000 }).toHaveLength(66);
    const address = String(await evaluate("document.title"));
    await evaluate(`
      window.router.addMessageHandler((message) => message.reply("re: " + message.text()));
      window.ticks = 0;
      window.losses = [];
      window.router.on("broker", ({ state, error }) => { if (error) window.losses.push(error.message); });
      const tick = () => { window.ticks++; setTimeout(tick, 100); };
      tick();
    `);
    const front = await openBarePage(browser, "about:blank");
    await front.send("Page.bringToFront");
    await expect.poll(() => evaluate("document.visibilityState")).toBe("hidden");

    const pipe = await ann.pipe(address);
    const texts: string[] = [];
    let acknowledged = 0;
    for (const pauseMs of PAUSES_MS) {
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      const burst = Array.from({ length: MESSAGES }, (_, i) => `message ${texts.length + i}`);
      texts.push(...burst);
      const bytes = await Promise.all(burst.map((text) => pipe.send(text)));
      acknowledged += bytes.filter((count) => count > 0).length;
    }
    await expect.poll(() => shown.length).toBeGreaterThanOrEqual(90);

    // In the foreground it would be nine hundred.
    expect(await evaluate("window.ticks")).toBeLessThan(40);
    expect(acknowledged).toBeGreaterThanOrEqual(90);
    expect(await evaluate("window.shown")).toEqual(texts);
    expect(shown.map((message) => message.text())).toEqual(texts.map((text) => `re: ${text}`));
    expect(await evaluate("window.losses")).toEqual([]);
  });
});
