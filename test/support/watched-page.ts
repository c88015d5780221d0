import type { BrowserContext, Page } from "playwright-core";

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
