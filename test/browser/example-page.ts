import type { BrowserContext, Page } from "playwright-core";
import { openPage, type WatchedPage } from "../support/watched-page.js";

/** When a page began its first connection, and when the last one had its first byte, Unix ms. */
export interface Meeting {
  readonly begunAt: number;
  readonly firstByteAt: number;
}

/** The page of examples/webrtc, as its user sees it. */
export class ExamplePage {
  readonly page: Page;
  readonly problems: readonly string[];

  constructor({ page, problems }: WatchedPage) {
    this.page = page;
    this.problems = problems;
  }

  /** @param accepts - whether its user accepts whoever calls, at once */
  static async open(context: BrowserContext, url: string, accepts = true): Promise<ExamplePage> {
    if (accepts) await context.addInitScript(acceptCalls);
    const opened = new ExamplePage(await openPage(context, url));
    await opened.link();
    return opened;
  }

  /** The link that invites to this page, once it is there. */
  async link(): Promise<string> {
    await this.page.locator("#self .badge").waitFor();
    return await this.page.locator("#link").inputValue();
  }

  async address(): Promise<string> {
    return new URL(await this.link()).hash.slice(1);
  }

  /** Waits until the connection to a peer, or the only one, stands so. */
  async untilPhase(phase: string, address?: string): Promise<void> {
    const peer = address === undefined ? "" : `[data-address="${address}"]`;
    await this.page.locator(`.peer${peer}[data-phase="${phase}"]`).waitFor();
  }

  async say(text: string): Promise<void> {
    await this.page.locator("#text").fill(text);
    await this.page.locator("#text").press("Enter");
  }

  /** Waits until a line of somebody else's is shown. */
  async untilHears(text: string): Promise<void> {
    await this.page.locator("#lines li:not(.own) p").getByText(text, { exact: true }).waitFor();
  }

  /** Waits until a line of this page's own is marked as delivered. */
  async untilDelivered(text: string): Promise<void> {
    await this.page.locator("#lines li.own", { hasText: text }).getByText("✓").waitFor();
  }

  /** Loads the page again, and waits until it is connected to the only peer. */
  async reload(): Promise<Meeting> {
    await this.page.reload();
    await this.page.waitForFunction(() => performance.getEntriesByName("firstByte").length > 0);
    return await this.page.evaluate(() => {
      const at = (name: string): number[] =>
        performance.getEntriesByName(name).map(({ startTime }) => performance.timeOrigin + startTime);
      return { begunAt: Math.min(...at("begun")), firstByteAt: Math.max(...at("firstByte")) };
    });
  }

  /** All lines, one's own included, in order. */
  async lines(): Promise<string[]> {
    return await this.page.locator("#lines p").allTextContents();
  }

  /** What the card of the only peer says has happened, the latest first. */
  async log(): Promise<string[]> {
    return await this.page
      .locator(".log li")
      .evaluateAll((items) => items.map((item) => item.lastChild?.textContent ?? ""));
  }
}

/** Runs in the page, before all else: clicks on "Accept" wherever a stranger calls. */
export function acceptCalls(): void {
  new MutationObserver(() => {
    for (const button of document.querySelectorAll<HTMLButtonElement>('[data-phase="asking"] .accept'))
      button.click();
  }).observe(document, { subtree: true, childList: true, attributes: true });
}

/** Each says something to the other, and sees that it was delivered. */
export async function talk(ann: ExamplePage, ben: ExamplePage, word: string): Promise<void> {
  await Promise.all([ann.say(`${word} from Ann`), ben.say(`${word} from Ben`)]);
  await Promise.all([ann.untilHears(`${word} from Ben`), ben.untilHears(`${word} from Ann`)]);
  await Promise.all([ann.untilDelivered(`${word} from Ann`), ben.untilDelivered(`${word} from Ben`)]);
}
