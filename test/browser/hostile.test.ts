import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { WebSocketServer } from "ws";
import { CONNACK, PINGRESP, SUBACK } from "../hostile/attacks.js";
import { startHostile } from "../hostile/hostile-process.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { withChromium } from "../support/needs.js";
import { startPeer, use } from "../support/peers.js";
import { openRouterPage } from "./router-page.js";

/** What a page stands beside, and what it says of each. */
const ATTACKS: Readonly<Record<string, RegExp>> = {
  "a PUBLISH at QoS 2 without an id": /QoS 2/,
  "PUBREL without an id": /PUBREL/,
  "0.4 MB of PINGRESP": /PINGRESP/,
  "5 MB of PINGRESP": /PINGRESP/,
  "a PUBLISH of another topic": /topic/,
  "a PUBLISH of 256 MB": /bytes/,
  "text over the WebSocket": /text/,
};

/** A broker whose messages are compressed: 2 MB of PINGRESP are 2 kB. */
async function startBomber(): Promise<number> {
  const server = new WebSocketServer({ host: "127.0.3.1", port: 0, perMessageDeflate: { threshold: 1000 } });
  await once(server, "listening");
  use({
    [Symbol.asyncDispose]: async () => {
      for (const client of server.clients) client.terminate();
      server.close();
    },
  });
  server.on("connection", (socket) => {
    expect(socket.extensions).toContain("permessage-deflate");
    socket.once("message", () => {
      socket.send(CONNACK);
      socket.send(SUBACK);
      socket.send(Buffer.alloc(2_000_000, PINGRESP));
    });
  });
  // A TCP server's address is an AddressInfo once it is listening.
  return (server.address() as AddressInfo).port;
}

withChromium("a page", (launchChromium) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  it("goes on beside hostile brokers, says what they did, and does not stand still", {
    retry: 2,
  }, async () => {
    const names = Object.keys(ATTACKS);
    const { ports } = await startHostile("ws", names);
    const honest = use(await startEmbeddedBroker("127.0.0.2", 0, { transport: "ws" }));
    const ben = await startPeer({ IPv4: { "127.0.0.2": { ws: honest.port } } }, { onMessage: () => {} });
    const bomber = await startBomber();
    const hostile = Object.fromEntries(ports.map((ws, i) => [`127.0.2.${i + 1}`, { ws }]));
    const { page } = await openRouterPage(browser, {
      IPv4: { ...hostile, "127.0.3.1": { ws: bomber }, "127.0.0.2": { ws: honest.port } },
    });
    await page.evaluate(() => {
      const told = { longest: 0, reasons: {} as Record<string, string> };
      Object.assign(window, { told });
      new PerformanceObserver((list) => {
        for (const { duration } of list.getEntries()) told.longest = Math.max(told.longest, duration);
      }).observe({ type: "longtask" });
      window.router.on("broker", ({ broker, error }) => {
        if (error !== undefined) told.reasons[broker.host] = error.message;
      });
    });
    const told = (): Promise<{ longest: number; reasons: Record<string, string> }> =>
      page.evaluate(
        () => (window as unknown as { told: { longest: number; reasons: Record<string, string> } }).told,
      );
    await expect
      .poll(async () => Object.keys((await told()).reasons).length, { timeout: 15_000 })
      .toBe(names.length + 1);
    const { longest, reasons } = await told();
    names.forEach((name, i) => {
      expect(reasons[`127.0.2.${i + 1}`], name).toMatch(ATTACKS[name] ?? /^$/);
    });
    expect(reasons["127.0.3.1"]).toMatch(/PINGRESP/);
    // 4 s to 30 s with what was there before. By the clock, which other processes share.
    expect(longest).toBeLessThan(150);
    const sent = await page.evaluate(
      async (to) => (await window.pipeTo(to)).send("all the same"),
      ben.address,
    );
    expect(sent).toBe(12);
  });
});
