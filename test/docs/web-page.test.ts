import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BrowserContext } from "playwright-core";
import { expect, it, onTestFinished } from "vitest";
import { WebSocket } from "ws";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { withChromium } from "../support/needs.js";
import { use } from "../support/peers.js";
import { openPage } from "../support/watched-page.js";
import { serveFolder } from "../support/web-server.js";
import { placeOf, ROOT, readPages } from "./pages.js";

const blocks = readPages()
  .flatMap((page) => page.blocks)
  .filter(({ language, excuse }) => language === "html" && excuse === undefined);

/** What the pages are allowed to do: nothing that the library itself would need beyond connecting. */
const POLICY = "default-src 'self'; script-src 'self' 'unsafe-inline'; connect-src wss:";

/** Serves a page beside the library in one file, as `npm test` has built it. */
async function serve(html: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "sidewire-page-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  await copyFile(join(ROOT, "dist/sidewire.min.js"), join(folder, "sidewire.min.js"));
  await writeFile(join(folder, "index.html"), html);
  return use(await serveFolder(folder, POLICY)).url;
}

/** Leads every WebSocket of its pages to one broker on this machine, whatever host they name. */
async function redirect(context: BrowserContext, port: number): Promise<void> {
  await context.routeWebSocket(/^wss?:/, (page) => {
    const broker = new WebSocket(`ws://127.0.0.1:${port}`, "mqtt");
    const early: (string | Buffer)[] = [];
    broker.on("open", () => {
      for (const message of early.splice(0)) broker.send(message);
    });
    // MQTT is binary, and arrives as Buffer unless told otherwise.
    broker.on("message", (data) => page.send(data as Buffer));
    broker.on("close", () => page.close());
    broker.on("error", () => {});
    page.onMessage((message) => {
      if (broker.readyState === WebSocket.OPEN) broker.send(message);
      else early.push(message);
    });
    page.onClose(() => broker.close());
  });
}

it("there are web pages in the documentation", () => {
  expect(blocks.map(({ page }) => page)).toEqual(["docs/quick-start.md"]);
});

withChromium("the web pages of the documentation", { timeout: 60_000 }, (launchChromium) => {
  it.each(blocks.map((block) => [placeOf(block), block] as const))(
    "%s: two pages that share a link talk to each other",
    async (_, { text }) => {
      const broker = use(await startEmbeddedBroker("127.0.0.1", 0, { transport: "ws" }));
      const browser = await launchChromium();
      onTestFinished(() => browser.close());
      const context = await browser.newContext();
      await redirect(context, broker.port);

      const first = await openPage(context, await serve(text));
      const invitation = first.page.locator("#invitation a");
      await invitation.waitFor();
      await first.page.fill("#text", "Anybody?");
      await first.page.click("button");
      await first.page.getByText("nobody is here yet").waitFor();
      const second = await openPage(context, (await invitation.getAttribute("href")) ?? "");
      await second.page.locator("#invitation a").waitFor();
      for (const [from, to, words] of [
        [second.page, first.page, "Hello, first"],
        [first.page, second.page, "Hello yourself"],
      ] as const) {
        await from.fill("#text", words);
        await from.click("button");
        await from.getByText(`I: ${words}`).waitFor();
        await to.getByText(`they: ${words}`).waitFor();
      }
      expect([...first.problems, ...second.problems]).toEqual([]);
    },
  );
});
