import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BrokerPool } from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { startBroker, withChromium } from "../support/needs.js";
import { record, startPeer, use } from "../support/peers.js";
import { openRouterPage } from "./router-page.js";

/** One broker with a port for TCP and one for WebSocket. */
const BROKERS: Readonly<Record<string, () => Promise<BrokerPool>>> = {
  async "in a process of its own"() {
    const { port, webPort } = use(await startBroker());
    return { IPv4: { "127.0.0.1": { port, ws: webPort } } };
  },
  async "in this process"() {
    const tcp = use(await startEmbeddedBroker());
    const webSocket = use(await startEmbeddedBroker("127.0.0.1", 0, { transport: "ws" }));
    webSocket.aedes.handle = tcp.aedes.handle;
    return { IPv4: { "127.0.0.1": { port: tcp.port, ws: webSocket.port } } };
  },
};

withChromium("a page and a program in Node", (launchChromium) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  for (const [name, start] of Object.entries(BROKERS)) {
    it(`meet at one broker ${name}, over WebSocket and over TCP`, async () => {
      const pool = await start();
      const node = await startPeer(pool, { transports: ["mqtt"] });
      const { page, address, problems, untilShown } = await openRouterPage(browser, pool);
      const shown = record(node);
      const texts = Array.from({ length: 50 }, (_, i) => `message ${i} of fifty, ✓`);

      const pipe = await node.pipe(address);
      const toPage = Promise.all(texts.map((text) => pipe.send(text, { timeoutMs: 15_000 })));
      const toNode = page.evaluate(
        async ([to, all]) => {
          const way = await window.pipeTo(to);
          return await Promise.all(all.map((text) => way.send(text, { timeoutMs: 15_000 })));
        },
        [node.address, texts] as const,
      );
      const lengths = texts.map((text) => Buffer.byteLength(text));
      expect(await toPage).toEqual(lengths);
      expect(await toNode).toEqual(lengths);
      expect(await untilShown(50)).toEqual(texts);
      expect(shown.map((message) => message.text())).toEqual(texts);

      const { broker } = await pipe.deliver("one more");
      expect(broker.host).toBe("127.0.0.1");
      expect(problems).toEqual([]);
    });
  }
});
