import { type Browser, chromium } from "playwright-core";
import { find } from "./find.js";

/** Where Chromium is, if it is here. `CHROMIUM_PATH` says so if it has another name. */
export function findChromium(): string | undefined {
  return process.env.CHROMIUM_PATH ?? find("chromium");
}

/** Starts Chromium without a window; `using` it ends it. */
export async function launchChromium(executablePath: string, args: readonly string[]): Promise<Browser> {
  return await chromium.launch({
    executablePath,
    // Its sandbox refuses to work for root, and only then does without.
    chromiumSandbox: process.getuid?.() !== 0,
    args: [...args],
    // Pages that Playwright opens are in the foreground in any case. Others are to be treated as by a user's browser.
    ignoreDefaultArgs: [
      "--disable-background-timer-throttling",
      "--disable-backgrounding-occluded-windows",
      "--disable-renderer-backgrounding",
    ],
  });
}
