import { expect, it } from "vitest";
import { withChromium } from "../support/needs.js";
import { hostExample } from "./example-host.js";
import type { ExamplePage } from "./example-page.js";

withChromium("the WebRTC example's looks", { timeout: 60_000 }, (launchChromium) => {
  const host = hostExample(launchChromium);

  /** Says many lines at once. */
  const sayAll = ({ page }: ExamplePage, lines: readonly string[]): Promise<void> =>
    page.evaluate((all) => {
      const [form, input] = [
        document.querySelector("form"),
        document.querySelector<HTMLInputElement>("#text"),
      ];
      if (form === null || input === null) throw new Error("the page has no form");
      for (const line of all) {
        input.value = line;
        form.dispatchEvent(new Event("submit", { cancelable: true }));
      }
    }, lines);
  const lines = (name: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => `${name} ${i}`);

  it("keep the chat in sight, whoever else is here", async () => {
    const [ann] = await host.connected();
    const eve = await host.open(await ann.link());
    await ann.untilPhase("open", await eve.address());
    const { page } = ann;
    for (const [width, height] of [
      [1280, 800],
      [390, 844],
    ] as const) {
      await page.setViewportSize({ width, height });
      const { y = height, height: tall = 0 } = (await page.locator("#text").boundingBox()) ?? {};
      expect(y + tall).toBeLessThan(height);
      // Nothing sticks out of its card.
      const card = await page.locator("#invite").boundingBox();
      const copy = await page.locator("#copy").boundingBox();
      const right = (box: typeof card): number => (box?.x ?? 0) + (box?.width ?? 0);
      expect(right(card) - right(copy)).toBeGreaterThanOrEqual(16);
    }
  });

  it("follow the chat at its end, stay where somebody reads, and show the latest few hundred lines", async () => {
    const [ann, ben] = await host.connected();
    await sayAll(ben, lines("first", 50));
    await ann.untilHears("first 49");
    const last = ann.page.getByText("first 49", { exact: true });
    const top = async (): Promise<number> => Math.round((await last.boundingBox())?.y ?? -1);
    const list = await ann.page.locator(".lines").boundingBox();
    expect(await top()).toBeLessThan((list?.y ?? 0) + (list?.height ?? 0));

    await ann.page.locator(".lines").hover();
    await ann.page.mouse.wheel(0, -90);
    await expect.poll(() => ann.page.locator(".lines").evaluate(({ scrollTop }) => scrollTop)).toBe(-90);
    const before = await top();
    await sayAll(ben, lines("second", 20));
    await ann.untilHears("second 19");
    expect(await top()).toBe(before);

    await sayAll(ben, lines("third", 400));
    await ann.untilHears("third 399");
    await ben.untilDelivered("third 399");
    expect(await ann.page.locator("#lines li").count()).toBe(300);
  });

  it("can be read in light and in dark, and say aloud what changes", async () => {
    const [{ page }] = await host.connected();
    expect(await page.locator(".peer header").getAttribute("aria-live")).toBe("polite");
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await page.evaluate(contrasts)).toEqual([]);
    }
  });
});

/** What can hardly be read: text whose contrast to what is behind it is below 4.5 to 1, in the page. */
function contrasts(): string[] {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const paint = (color: string): readonly number[] => {
    if (canvas === null) throw new Error("no canvas");
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (pixel: readonly number[]): number => {
    const [r = 0, g = 0, b = 0] = pixel.map((byte) => {
      const part = byte / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (selector: string, pseudo?: string): number => {
    let shade = 0;
    const found = document.querySelector(selector);
    const behind: string[] = [];
    for (let at = found; at !== null; at = at.parentElement)
      behind.unshift(getComputedStyle(at).backgroundColor);
    for (const color of behind) shade = luminance(paint(color));
    const ink = found === null ? 0 : luminance(paint(getComputedStyle(found, pseudo).color));
    return (Math.max(shade, ink) + 0.05) / (Math.min(shade, ink) + 0.05);
  };
  const card = document.querySelector<HTMLElement>(".peer");
  const notice = document.querySelector<HTMLElement>("#notice");
  if (notice !== null) notice.hidden = false;
  const found: [string, number][] = ["asking", "calling", "open", "recovering", "waiting", "gone"].map(
    (phase) => {
      if (card !== null) card.dataset.phase = phase;
      return [phase, contrast(".phase")];
    },
  );
  for (const selector of ["#notice", ".hint", "summary", ".self code"])
    found.push([selector, contrast(selector)]);
  found.push(["placeholder", contrast("#text", "::placeholder")]);
  return found.filter(([, value]) => !(value >= 4.5)).map(([what, value]) => `${what} ${value.toFixed(2)}`);
}
