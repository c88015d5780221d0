/**
 * Opens the site that `npm run docs` has made, as a reader without a network does: from its file, in Chromium. Its pages,
 * their pictures and links, and the search have to work there.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Page } from "playwright-core";
import { findChromium, launchChromium } from "../support/chromium.js";
import { ROOT } from "./pages.js";

const SITE = join(ROOT, "docs/api/index.html");
/** What is looked for, and what has to be among the results: a page by its text, a page by its name, a name of the API. */
const SEARCHES = [
  ["hairpinning", "NATs: which pairs get a direct path, and why"],
  ["glossary", "Glossary"],
  ["parseBrokerPool", "parseBrokerPool"],
] as const;

/** How long a search may take, ms. */
const PATIENCE_MS = 10_000;

const chromium = findChromium();
if (chromium === undefined) throw new Error("this needs Chromium");
if (!existsSync(SITE)) throw new Error("this needs what npm run docs makes");
const browser = await launchChromium(chromium, []);
try {
  const context = await browser.newContext({ offline: true });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("requestfailed", (request) => {
    // From a file, the site draws its icons by a script instead.
    if (!request.url().endsWith("/assets/icons.svg")) problems.push(`${request.url()} was not loaded`);
  });
  page.on("request", (request) => {
    if (!/^(file|data|blob):/.test(request.url())) problems.push(`asked the network for ${request.url()}`);
  });
  await page.goto(pathToFileURL(SITE).href);
  await page.getByRole("heading", { name: "Ten lines" }).waitFor();
  problems.push(...(await brokenPictures(page)));
  for (const [text, wanted] of SEARCHES) problems.push(...(await search(page, text, wanted)));
  await page.getByRole("link", { name: "glossary", exact: true }).first().click();
  await page.getByRole("heading", { name: "Reserve" }).waitFor();
  if (problems.length > 0) throw new Error(problems.join("\n"));
  console.log(
    "site: opens without a network, shows its pictures, follows its links, and finds what is looked for",
  );
} finally {
  await browser.close();
}

/** Pictures that were not loaded. Those that are folded away are loaded all the same. */
async function brokenPictures(page: Page): Promise<string[]> {
  const pictures = await page.locator("img").all();
  if (pictures.length < 3) return ["the first page has too few pictures"];
  const broken = await Promise.all(
    pictures.map(async (picture) => {
      const isThere = await picture.evaluate(
        (image) => image instanceof HTMLImageElement && image.naturalWidth > 0,
      );
      return isThere ? [] : [`no picture: ${await picture.getAttribute("src")}`];
    }),
  );
  return broken.flat();
}

async function search(page: Page, text: string, wanted: string): Promise<string[]> {
  const input = page.locator("#tsd-search-input");
  await page.keyboard.press("/");
  await input.fill(text);
  const results = page.locator("#tsd-search-results > li");
  // The results of the search before may still be there.
  const isFound = await results
    .filter({ hasText: wanted })
    .first()
    .waitFor({ timeout: PATIENCE_MS })
    .then(
      () => true,
      () => false,
    );
  const found = await results.allInnerTexts();
  await page.keyboard.press("Escape");
  await input.waitFor({ state: "hidden" });
  return isFound ? [] : [`${text} finds ${found.join(" | ")}`];
}
