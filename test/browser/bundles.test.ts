import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { build as esbuild } from "esbuild";
import type { Browser } from "playwright-core";
import { build as vite } from "vite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { BrokerProcess } from "../support/broker-process.js";
import { startBroker, withChromium } from "../support/needs.js";
import { startPeer, use } from "../support/peers.js";
import { openPage } from "../support/watched-page.js";
import { serveFolder } from "../support/web-server.js";

const ROOT = join(import.meta.dirname, "../..");

/** A page that answers whoever writes to it; `npm test` has built what it imports. */
const PAGE = `import { Keypair, Router } from "sidewire";
const ws = Number(new URLSearchParams(location.search).get("port"));
const router = new Router(Keypair.generate(), {
  getTime: Date.now,
  encrypt: true,
  requireEncryption: true,
  brokers: { IPv4: { "127.0.0.1": { ws } } },
  onMessage: (message) => message.reply(message.text() + " yourself"),
});
await router.start();
document.title = router.address;
`;

const HTML = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title></title><script type="module" src="./main.js"></script></html>
`;

/** Ways from the page above to what a browser loads: each fills the folder `out` from the folder `source`. */
const WAYS: Readonly<Record<string, (source: string, out: string) => Promise<unknown>>> = {
  "bundled by Vite": (root, outDir) =>
    vite({ root, logLevel: "error", build: { outDir, emptyOutDir: true, target: "es2022" } }),
  "bundled by esbuild": async (source, out) => {
    copyFileSync(join(source, "index.html"), join(out, "index.html"));
    const entryPoints = [join(source, "main.js")];
    await esbuild({ entryPoints, outdir: out, bundle: true, format: "esm", minify: true, logLevel: "error" });
  },
  "unbundled, from dist/sidewire.min.js": async (source, out) => {
    copyFileSync(join(source, "index.html"), join(out, "index.html"));
    copyFileSync(join(ROOT, "dist/sidewire.min.js"), join(out, "sidewire.min.js"));
    writeFileSync(join(out, "main.js"), PAGE.replace('"sidewire"', '"./sidewire.min.js"'));
  },
};

withChromium("a page under a strict Content-Security-Policy", (launchChromium) => {
  let browser: Browser;
  let broker: BrokerProcess & AsyncDisposable;
  let folder: string;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "sidewire-bundles-"));
    [browser, broker] = await Promise.all([launchChromium(), startBroker()]);
  });

  afterAll(async () => {
    await Promise.all([browser?.close(), broker?.[Symbol.asyncDispose]()]);
    rmSync(folder, { recursive: true, force: true });
  });

  /** A program of its own that has the package installed. */
  function writeSource(): string {
    const source = mkdtempSync(join(folder, "source-"));
    writeFileSync(join(source, "main.js"), PAGE);
    writeFileSync(join(source, "index.html"), HTML);
    mkdirSync(join(source, "node_modules"));
    symlinkSync(ROOT, join(source, "node_modules/sidewire"));
    return source;
  }

  it(`gets a message and answers it: ${Object.keys(WAYS).join("; ")}`, async () => {
    for (const [name, build] of Object.entries(WAYS)) {
      const out = mkdtempSync(join(folder, "out-"));
      await build(writeSource(), out);
      const { port, webPort } = broker;
      const site = use(await serveFolder(out, `default-src 'self'; connect-src ws://127.0.0.1:${webPort}`));
      const { page, problems } = await openPage(await browser.newContext(), `${site.url}?port=${webPort}`);
      await page.waitForFunction(() => document.title !== "");

      const peer = await startPeer(
        { IPv4: { "127.0.0.1": { port } } },
        { encrypt: true, requireEncryption: true },
      );
      const answers = peer.messages();
      const pipe = await peer.pipe(await page.title());
      expect([name, await pipe.send("hello")]).toEqual([name, 5]);
      expect((await answers.next()).value).toMatchObject({ sealed: true });
      expect([name, ...problems]).toEqual([name]);
      // What a page has not by itself is not there afterwards either.
      expect(
        await page.evaluate(() => ["process", "Buffer", "global"].filter((global) => global in window)),
      ).toEqual([]);

      // The policy is in force, and a violation would have been seen.
      await page.evaluate(() => void new WebSocket("ws://127.0.0.2:1"));
      await expect
        .poll(() => problems)
        .toContainEqual(expect.stringMatching(/^connect-src ws:\/\/127\.0\.0\.2/));
    }
  });
});

describe("dist/sidewire.min.js", () => {
  const text = readFileSync(join(ROOT, "dist/sidewire.min.js"), "utf8");

  it("imports nothing", () => {
    expect(text).not.toMatch(/\bfrom\s*["']|\bimport\s*[("']|\brequire\(["']/);
  });

  it("is what the package gives for sidewire/sidewire.min.js", () => {
    expect(import.meta.resolve("sidewire/sidewire.min.js")).toBe(
      pathToFileURL(join(ROOT, "dist/sidewire.min.js")).href,
    );
  });
});
