import type { Browser, BrowserContext } from "playwright-core";
import { afterAll, afterEach, beforeAll, onTestFinished } from "vitest";
import { type Example, serveExample } from "../../examples/webrtc/server.js";
import type { LaunchChromium } from "../support/needs.js";
import { ExamplePage } from "./example-page.js";

/** A name that leads to this machine, and that no browser takes for it: its pages are like those of a LAN address. */
export const LAN_NAME = "lan.test";

/** The example, and a browser to look at it with. */
export interface Host {
  readonly browser: Browser;
  readonly example: Example;
  /** A browser profile of its own: another person. */
  someone(): Promise<BrowserContext>;
  /** Another person's page. */
  open(url?: string): Promise<ExamplePage>;
  /** Ann's page, and Ben's, who opened her link. */
  connected(): Promise<[ExamplePage, ExamplePage]>;
}

/** Serves the example to the tests of one file; every test finds all brokers running. */
export function hostExample(launchChromium: LaunchChromium): Host {
  let browser: Browser;
  let example: Example;

  beforeAll(async () => {
    example = await serveExample("127.0.0.1", 0, [LAN_NAME]);
    browser = await launchChromium(`--host-resolver-rules=MAP ${LAN_NAME} 127.0.0.1`);
  });
  afterAll(() => Promise.all([browser?.close(), example?.[Symbol.asyncDispose]()]));
  afterEach(() => Promise.all(example.brokers.map((broker) => broker.start())));

  const host: Host = {
    get browser() {
      return browser;
    },
    get example() {
      return example;
    },
    someone: async () => {
      const context = await browser.newContext();
      onTestFinished(() => context.close());
      return context;
    },
    open: async (url = example.url) => await ExamplePage.open(await host.someone(), url),
    connected: async () => {
      const ann = await host.open();
      const ben = await host.open(await ann.link());
      await Promise.all([ann.untilPhase("open"), ben.untilPhase("open")]);
      return [ann, ben];
    },
  };
  return host;
}
