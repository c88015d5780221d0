import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { onTestFinished } from "vitest";
import type { BrokerPool, Router, SmartPipe } from "../../src/index.js";
import { use } from "../support/peers.js";
import { openPage } from "../support/watched-page.js";
import { serveFolder } from "../support/web-server.js";

declare global {
  /** What the page below keeps for its test. */
  interface Window {
    router: Router;
    /** The texts of the messages that were shown, in order. */
    shown: string[];
    pipeTo(address: string): Promise<SmartPipe>;
  }
}

const SCRIPT = `import { Keypair, Router } from "./sidewire.min.js";
const brokers = JSON.parse(decodeURIComponent(location.hash.slice(1)));
window.shown = [];
window.router = new Router(Keypair.generate(), {
  getTime: Date.now,
  brokers,
  onMessage: (message) => window.shown.push(message.text()),
});
window.pipeTo = (address) => window.router.pipe(address, { useCache: true });
await window.router.start();
document.title = window.router.address;
`;

/** Serves a page that runs a router, from the file for pages that are not bundled; its title becomes its address. */
export async function serveRouterPage(brokers: BrokerPool): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), "sidewire-page-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  copyFileSync(join(import.meta.dirname, "../../dist/sidewire.min.js"), join(folder, "sidewire.min.js"));
  writeFileSync(join(folder, "main.js"), SCRIPT);
  writeFileSync(
    join(folder, "index.html"),
    '<!doctype html><meta charset="utf-8"><title></title><script type="module" src="main.js"></script>',
  );
  const { url } = use(await serveFolder(folder, "default-src 'self'; connect-src ws:"));
  return `${url}#${encodeURIComponent(JSON.stringify(brokers))}`;
}

/** The page, open. */
export interface RouterPage {
  readonly page: Page;
  readonly address: string;
  readonly problems: readonly string[];
  /** Waits until the page has shown so many messages, and returns them. */
  untilShown(count: number): Promise<string[]>;
}

export async function openRouterPage(browser: Browser, brokers: BrokerPool): Promise<RouterPage> {
  const context = await browser.newContext();
  onTestFinished(() => context.close());
  const { page, problems } = await openPage(context, await serveRouterPage(brokers));
  await page.waitForFunction(() => document.title !== "");
  return {
    page,
    problems,
    address: await page.title(),
    untilShown: async (count) => {
      await page.waitForFunction((wanted) => window.shown.length >= wanted, count);
      return await page.evaluate(() => window.shown);
    },
  };
}
