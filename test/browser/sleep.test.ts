import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BrokerPool } from "../../src/index.js";
import { openBarePage } from "../support/bare-page.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { withChromium } from "../support/needs.js";
import { startPeer, use } from "../support/peers.js";
import { openRouterPage, serveRouterPage } from "./router-page.js";

withChromium("a page that was away", { timeout: 40_000 }, (launchChromium) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  /** One broker with a port for the page and one for everybody else, so that the page's connection can be cut alone. */
  async function startBroker(): Promise<{ readonly pool: BrokerPool; readonly cut: () => Promise<void> }> {
    const tcp = use(await startEmbeddedBroker());
    const open = async (port: number): Promise<Awaited<ReturnType<typeof startEmbeddedBroker>>> => {
      const opened = use(await startEmbeddedBroker("127.0.0.1", port, { transport: "ws" }));
      opened.aedes.handle = tcp.aedes.handle;
      return opened;
    };
    const first = await open(0);
    return {
      pool: { IPv4: { "127.0.0.1": { port: tcp.port, ws: first.port } } },
      cut: async () => {
        await first.close();
        await open(first.port);
      },
    };
  }

  interface Sleeper {
    readonly address: string;
    shown(): Promise<string[]>;
    send(to: string, text: string): Promise<unknown>;
    freeze(): Promise<void>;
    wake(): Promise<void>;
  }

  /** A page that can be frozen, as a browser does it to pages in the background. */
  async function openSleeper(pool: BrokerPool): Promise<Sleeper> {
    const { evaluate, send } = await openBarePage(browser, await serveRouterPage(pool));
    await expect.poll(() => evaluate("document.title"), { timeout: 15_000 }).toHaveLength(66);
    await evaluate(`
      window.ticks = 0;
      window.events = [];
      setInterval(() => window.ticks++, 10);
      for (const name of ["freeze", "resume"]) document.addEventListener(name, () => window.events.push(name));
    `);
    return {
      address: String(await evaluate("document.title")),
      shown: async () => {
        const shown = await evaluate("window.shown");
        return Array.isArray(shown) ? shown.map(String) : [];
      },
      send: (to, text) => evaluate(`window.pipeTo("${to}").then((pipe) => pipe.send("${text}"))`),
      freeze: async () => {
        await send("Page.setWebLifecycleState", { state: "frozen" });
        await expect.poll(() => evaluate("window.events")).toEqual(["freeze"]);
        const ticks = await evaluate("window.ticks");
        await new Promise((resolve) => setTimeout(resolve, 200));
        expect(await evaluate("window.ticks")).toBe(ticks);
      },
      wake: async () => {
        await send("Page.setWebLifecycleState", { state: "active" });
        await expect.poll(() => evaluate("window.events")).toEqual(["freeze", "resume"]);
      },
    };
  }

  it("gets, once it is woken, what was sent to it in its sleep and is still waited for", async () => {
    const { pool } = await startBroker();
    const node = await startPeer(pool, { transports: ["mqtt"] });
    const sleeper = await openSleeper(pool);
    const pipe = await node.pipe(sleeper.address);
    expect(await pipe.send("awake")).toBe(5);

    await sleeper.freeze();
    // Nobody is told that a message arrived while nobody has seen it.
    expect(await pipe.send("given up", { timeoutMs: 500 })).toBe(0);
    const patient = pipe.send("patient", { timeoutMs: 20_000 });
    await sleeper.wake();
    expect(await patient).toBe(7);
    expect(await pipe.send("awake again")).toBe(11);
    // What was given up left a gap, which is waited for a second, and longer after a sleep.
    await expect.poll(() => sleeper.shown(), { timeout: 10_000 }).toContain("awake again");
    // Chromium ends the connections of a page that it freezes; what was given up may come or not.
    const shown = (await sleeper.shown()).filter((text) => text !== "given up");
    expect(shown).toEqual(["awake", "patient", "awake again"]);
    expect(await sleeper.send(node.address, "good morning")).toBe(12);
  });

  it("connects again when its connection ended in its sleep", async () => {
    const { pool, cut } = await startBroker();
    const node = await startPeer(pool, { transports: ["mqtt"] });
    const sleeper = await openSleeper(pool);
    await sleeper.freeze();
    await cut();
    const patient = (await node.pipe(sleeper.address)).send("patient", { timeoutMs: 20_000 });
    await sleeper.wake();
    expect(await patient).toBe(7);
    await expect.poll(() => sleeper.shown()).toEqual(["patient"]);
    expect(await sleeper.send(node.address, "good morning")).toBe(12);
  });

  it("connects again when the network is back", async () => {
    const { pool, cut } = await startBroker();
    const node = await startPeer(pool, { transports: ["mqtt"] });
    const { page, address, untilShown } = await openRouterPage(browser, pool);
    await page.context().setOffline(true);
    await cut();
    // It tries again, and in vain.
    await page.waitForFunction(() => window.router.stats().brokers.every(({ failures }) => failures > 1));
    const patient = (await node.pipe(address)).send("patient", { timeoutMs: 20_000 });
    await page.context().setOffline(false);
    expect(await patient).toBe(7);
    expect(await untilShown(1)).toEqual(["patient"]);
  });
});
