import { existsSync } from "node:fs";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

const PATH = process.env.CHROMIUM_PATH ?? "/usr/bin/chromium";

/** Whether Chromium is installed here; `CHROMIUM_PATH` says where, if not at Debian's place. */
export const hasChromium: boolean = existsSync(PATH);

/** Starts Chromium without a window; `using` it ends it. */
export async function launchChromium(...args: readonly string[]): Promise<Browser> {
  return await chromium.launch({
    executablePath: PATH,
    // Its sandbox refuses to work for root, and only then does without.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [...args],
  });
}

/** A page, and what went wrong in it. */
export interface WatchedPage {
  readonly page: Page;
  /** Violations of the Content-Security-Policy, errors on the console, exceptions nobody caught. */
  readonly problems: string[];
}

/** Opens a page in a context and notes what goes wrong in it. */
export async function openPage(context: BrowserContext, url: string): Promise<WatchedPage> {
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(String(error)));
  await page.exposeFunction("noteViolation", (violation: string) => problems.push(violation));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
      const { noteViolation }: { noteViolation?: unknown } = window as object;
      if (typeof noteViolation === "function") noteViolation(`${effectiveDirective} ${blockedURI}`);
    });
  });
  await page.goto(url);
  return { page, problems };
}
