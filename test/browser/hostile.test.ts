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

/** What a trace of Chromium holds, of what is read here. */
interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  /** In time of the processor, µs. */
  readonly tdur?: number;
  readonly args?: { readonly name?: string };
}

/** What a page stands beside, and what it says of each. */
const ATTACKS: Readonly<Record<string, RegExp>> = {
  "a PUBLISH at QoS 2 without an id": /QoS 2/,
  "PUBREL without an id": /PUBREL/,
  "0.4 MB of PINGRESP": /PINGRESP/,
  // A page cannot tell the socket to wait: what comes faster than it is read ends the session, too.
  "5 MB of PINGRESP": /PINGRESP|more than could be read/,
  "a PUBLISH of another topic": /topic/,
  "a PUBLISH of 256 MB": /bytes|more than could be read/,
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

/** The longest task of a page's thread, in its own time of the processor, ms: other processes take time of the clock. */
function longestTaskMs(trace: Buffer): number {
  const { traceEvents } = JSON.parse(trace.toString("utf8")) as { traceEvents: readonly TraceEvent[] };
  const page = traceEvents.find(({ args }) => args?.name === "CrRendererMain");
  const tasks = traceEvents.filter(
    ({ name, pid, tid }) =>
      name === "ThreadControllerImpl::RunTask" && pid === page?.pid && tid === page?.tid,
  );
  expect(tasks.length).toBeGreaterThan(100);
  // One that has not ended with the trace has no time.
  return Math.max(...tasks.map(({ tdur = 0 }) => tdur)) / 1000;
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
    await browser.startTracing(page, { categories: ["toplevel", "disabled-by-default-devtools.timeline"] });
    await page.evaluate(() => {
      const reasons: Record<string, string> = {};
      Object.assign(window, { reasons });
      window.router.on("broker", ({ broker, error }) => {
        if (error !== undefined) reasons[broker.host] = error.message;
      });
    });
    const told = (): Promise<Record<string, string>> =>
      page.evaluate(() => (window as unknown as { reasons: Record<string, string> }).reasons);
    await expect
      .poll(async () => Object.keys(await told()).length, { timeout: 40_000 })
      .toBe(names.length + 1);
    const reasons = await told();
    names.forEach((name, i) => {
      expect(reasons[`127.0.2.${i + 1}`], name).toMatch(ATTACKS[name] ?? /^$/);
    });
    expect(reasons["127.0.3.1"]).toMatch(/PINGRESP/);
    // Chromium itself gives all messages that have come to their listener in one task. 4 s to 30 s with what was there
    // before.
    expect(longestTaskMs(await browser.stopTracing())).toBeLessThan(250);
    const sent = await page.evaluate(
      async (to) => (await window.pipeTo(to)).send("all the same"),
      ben.address,
    );
    expect(sent).toBe(12);
  });
});
