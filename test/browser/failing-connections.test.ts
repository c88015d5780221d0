import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import type { BrokerPool } from "../../src/index.js";
import { freePort } from "../support/free-port.js";
import { withChromium } from "../support/needs.js";
import { use } from "../support/peers.js";
import { openPage } from "../support/watched-page.js";
import { serveRouterPage } from "./router-page.js";

/** An HTTP server that answers every WebSocket with 404, and one whose WebSocket speaks something else. */
async function startServers(): Promise<{ notFound: number; talking: number }> {
  const http = createServer((_, response) => response.writeHead(404).end());
  http.on("upgrade", (_, socket) => socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"));
  const webSockets = new WebSocketServer({ host: "127.0.0.3", port: 0 });
  webSockets.on("connection", (socket) => socket.on("message", () => socket.send(Buffer.from("hello"))));
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.2", resolve));
  if (webSockets.address() === null) await new Promise((resolve) => webSockets.once("listening", resolve));
  use({
    [Symbol.asyncDispose]: async () => {
      http.closeAllConnections();
      http.close();
      for (const client of webSockets.clients) client.terminate();
      webSockets.close();
    },
  });
  // A TCP server's address is an AddressInfo once it is listening.
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port;
  return { notFound: portOf(http), talking: portOf(webSockets) };
}

withChromium("what a page is told of brokers that it cannot use", (launchChromium) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  async function reasonsFor(pool: BrokerPool, isOffline = false): Promise<(string | undefined)[]> {
    const context = await browser.newContext();
    onTestFinished(() => context.close());
    const { page } = await openPage(context, await serveRouterPage(pool));
    await page.waitForFunction(() => "router" in window);
    await context.setOffline(isOffline);
    return await page.evaluate(async () => {
      await window.router.start().catch(() => {});
      return window.router.stats().brokers.map(({ lastError }) => lastError);
    });
  }

  it("says as much as a browser tells, and that it is offline", async () => {
    const { notFound, talking } = await startServers();
    const reasons = await reasonsFor({
      IPv4: {
        "127.0.0.1": { ws: await freePort("127.0.0.1") },
        "127.0.0.2": { ws: notFound },
        "127.0.0.3": { ws: talking },
      },
    });
    const untold =
      "could not be reached, or its certificate or HTTP answer was refused: a page is not told which";
    expect(reasons.toSorted()).toEqual([untold, untold, "what answered is not MQTT"]);

    const pool = { IPv4: { "127.0.0.1": { ws: await freePort("127.0.0.1") } } };
    expect(await reasonsFor(pool, true)).toEqual(["this browser is offline"]);
  });
});
