import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, onTestFinished } from "vitest";
import type { BrokerPool } from "../../src/index.js";
import type { BrokerProcess } from "../support/broker-process.js";
import { type LaunchChromium, startBroker } from "../support/needs.js";
import { openPage } from "../support/watched-page.js";
import { serveFolder } from "../support/web-server.js";

/** A page that runs a router, and looks for peers as its test says. */
export interface ChannelPage {
  readonly page: Page;
  readonly address: string;
  readonly problems: readonly string[];
}

export interface ChannelHost {
  readonly browser: Browser;
  readonly brokers: BrokerPool;
  readonly processes: readonly BrokerProcess[];
  /** A page of a browser profile of its own. */
  open(secretKey?: string): Promise<ChannelPage>;
  /** Two pages that have a channel: Ann accepts, Ben has called. */
  connected(): Promise<[ChannelPage, ChannelPage]>;
}

/** Serves such pages to the tests of one file, with brokers of its own. */
export function hostChannels(launchChromium: LaunchChromium, count = 3): ChannelHost {
  const folder = mkdtempSync(join(tmpdir(), "sidewire-channels-"));
  let browser: Browser;
  let site: Awaited<ReturnType<typeof serveFolder>>;
  let processes: (BrokerProcess & AsyncDisposable)[] = [];

  beforeAll(async () => {
    writeFileSync(
      join(folder, "index.html"),
      '<!doctype html><meta charset="utf-8"><title></title><script type="module" src="page.js"></script>',
    );
    await build({
      entryPoints: [join(import.meta.dirname, "channel-page.ts")],
      outfile: join(folder, "page.js"),
      bundle: true,
      format: "esm",
      target: "es2022",
    });
    [browser, site] = await Promise.all([
      launchChromium("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
      serveFolder(folder, "default-src 'self'; connect-src ws:"),
    ]);
    processes = await Promise.all(Array.from({ length: count }, (_, i) => startBroker(`127.0.7.${i + 1}`)));
  });
  afterAll(async () => {
    await Promise.all([browser?.close(), site?.[Symbol.asyncDispose]()]);
    await Promise.all(processes.map((broker) => broker[Symbol.asyncDispose]()));
    rmSync(folder, { recursive: true });
  });

  const host: ChannelHost = {
    get browser() {
      return browser;
    },
    get brokers() {
      const entries = processes.map(
        ({ host: name, port, webPort }) => [name, { port, ws: webPort }] as const,
      );
      return { IPv4: Object.fromEntries(entries) };
    },
    get processes() {
      return processes;
    },
    open: async (secretKey) => {
      const context = await browser.newContext();
      onTestFinished(() => context.close());
      const { page, problems } = await openPage(context, site.url);
      await page.waitForFunction(() => document.title !== "");
      const address = await page.evaluate(([pool, key]) => window.begin(pool, key), [
        host.brokers,
        secretKey,
      ] as const);
      return { page, problems, address };
    },
    connected: async () => {
      const [ann, ben] = [await host.open(), await host.open()];
      await ann.page.evaluate(async (friend) => {
        window.webrtc.accept(window.router, () => {}, {
          from: (caller) => caller === friend,
          onPeer: window.watch,
        });
        await window.router.start();
      }, ben.address);
      await ben.page.evaluate(async (to) => {
        await window.webrtc.connect(window.router, to, { onPeer: window.watch });
      }, ann.address);
      await ann.page.evaluate(
        (from) => window.until(() => window.peers.get(from)?.state === "open"),
        ben.address,
      );
      return [ann, ben];
    },
  };
  return host;
}
