import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { onTestFinished } from "vitest";
import { openPage } from "../../../test/support/watched-page.js";
import type { ControlServer } from "../../src/control/server.js";
import { type Running, start } from "./command.js";
import { temporaryFolder } from "./temporary-folder.js";
import { startWebDaemon, type WebMesh } from "./web-daemon.js";

/** The page of `sidewire-mesh web` in a browser, and what it is of. */
export interface OpenedPage {
  readonly page: Page;
  /** What went wrong in it: violations of its policy, errors, exceptions. */
  readonly problems: string[];
  readonly url: string;
  readonly command: Running;
  control: ControlServer;
  /** Starts the daemon again, after its end. */
  again(): Promise<void>;
}

/** Starts the command for a fake mesh. */
export async function startWeb(
  mesh: WebMesh,
  args: readonly string[] = [],
): Promise<Pick<OpenedPage, "url" | "command" | "control"> & { readonly folder: string }> {
  const folder = join(temporaryFolder(), "run");
  const { control, env } = await startWebDaemon(folder, mesh);
  const command = start(["web", "lo", ...args], { env });
  await command.until(({ out }) => out.endsWith("\n"));
  return { url: command.out.trim(), command, control, folder };
}

/** Starts the command for a fake mesh, and opens the page. All of it ends with the test. */
export async function openWeb(
  browser: Browser,
  mesh: WebMesh,
  options: BrowserContextOptions = {},
  args: readonly string[] = [],
): Promise<OpenedPage> {
  const { folder, ...started } = await startWeb(mesh, args);
  const context = await browser.newContext(options);
  const { page, problems } = await openPage(context, started.url);
  const opened: OpenedPage = {
    ...started,
    page,
    problems,
    again: async () => {
      opened.control = (await startWebDaemon(folder, mesh)).control;
    },
  };
  onTestFinished(async () => {
    await context.close();
    await opened.control.close([]);
  });
  await page.locator("#main").waitFor();
  return opened;
}
