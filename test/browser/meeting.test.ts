import { expect, it, onTestFinished } from "vitest";
import { startBroker, withChromium } from "../support/needs.js";
import { record, startPeer, use } from "../support/peers.js";
import { openRouterPage } from "./router-page.js";

withChromium("a page and a program in Node", (launchChromium) => {
  it("meet at one broker, over WebSocket and over TCP", async () => {
    const { port, webPort } = use(await startBroker());
    const pool = { IPv4: { "127.0.0.1": { port, ws: webPort } } };
    const browser = await launchChromium();
    onTestFinished(() => browser.close());
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
});
