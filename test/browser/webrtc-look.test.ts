import { expect, it } from "vitest";
import { withChromium } from "../support/needs.js";
import { hostExample, LAN_NAME } from "./example-host.js";
import { ExamplePage } from "./example-page.js";

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

  it("line up header, notice and cards at every width, cut nothing off with four peers, and fit a finger", async () => {
    const [ann] = await host.connected();
    for (let i = 0; i < 3; i++) await host.open(await ann.link());
    const { page } = ann;
    await page.waitForFunction(() => document.querySelectorAll('.peer[data-phase="open"]').length === 4);
    for (const [width, height] of [
      [360, 740],
      [768, 1024],
      [1440, 900],
    ] as const) {
      await page.setViewportSize({ width, height });
      expect({ width, ...(await page.evaluate(measures)) }).toEqual({
        width,
        // The header begins where the leftmost card does, and ends where the rightmost one ends.
        edges: [0, 0],
        // Nothing is wider than the page, and no peer is hidden by an edge that does not scroll with the page.
        overflow: 0,
        small: [],
        named: [],
      });
    }
  });

  it("say why nobody can follow the invitation, and show no QR code then", async () => {
    const ann = await host.open();
    const offline = ann.page.locator("#offline");
    // The tests' page is served at a loopback address.
    await offline.getByText("Only on this device").waitFor();
    expect(await ann.page.locator("#qr").isVisible()).toBe(false);
    for (const broker of host.example.brokers) await broker.stop();
    await offline.getByText("Offline").waitFor();
    for (const broker of host.example.brokers) await broker.start();
    await offline.getByText("Only on this device").waitFor();

    await ann.page.route("**/setup.json", async (route) => {
      const setup: { url: string } = await (await route.fetch()).json();
      await route.fulfill({ json: { ...setup, url: setup.url.replace("127.0.0.1", LAN_NAME) } });
    });
    await ann.page.reload();
    await ann.page.locator("#qr").waitFor();
    expect(await offline.isVisible()).toBe(false);
  });

  it("keep the chat over a reload, and say again what had not arrived", async () => {
    const [ann, ben] = await host.connected();
    await ben.say("from Ben");
    await ann.untilHears("from Ben");
    await ann.say("from Ann");
    await ann.untilDelivered("from Ann");
    // Ben's page is gone for a moment: what is said meanwhile is under way.
    const link = ben.page.url();
    await ben.page.goto("about:blank");
    await ann.say("into the gap");
    await ann.page.reload();
    await ann.link();
    expect(await ann.lines()).toEqual(["from Ben", "from Ann", "into the gap"]);
    await ben.page.goto(link);
    await ben.untilHears("into the gap");
    await ann.untilDelivered("into the gap");
    expect(await ben.lines()).toEqual(["from Ben", "from Ann", "into the gap"]);
  });

  it("leave the focus where somebody works, and let the keyboard scroll", async () => {
    const ann = await ExamplePage.open(await host.someone(), host.example.url, false);
    const ben = await host.open(await ann.link());
    const accept = ann.page.getByRole("button", { name: /^Accept / });
    await accept.focus();
    await ann.page.keyboard.press("Enter");
    await ann.untilPhase("open");
    const focused = (): Promise<string | undefined> =>
      ann.page.evaluate(
        () => document.activeElement?.closest(".peer")?.getAttribute("data-address") ?? undefined,
      );
    expect(await focused()).toBe(await ben.address());
    await sayAll(ben, lines("line", 60));
    await ann.untilHears("line 59");
    await ann.page.locator("#scroll").focus();
    await ann.page.keyboard.press("PageUp");
    await expect
      .poll(() => ann.page.locator("#scroll").evaluate(({ scrollTop }) => scrollTop))
      .toBeLessThan(0);
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

/** How the page is laid out: how far the header is from the cards' edges, what sticks out, what is too small, in the page. */
function measures(): object {
  const box = (selector: string): DOMRect =>
    document.querySelector(selector)?.getBoundingClientRect() ?? new DOMRect();
  const shown = (element: Element): boolean => element.getBoundingClientRect().height > 0;
  const cards = [...document.querySelectorAll(".card")]
    .filter(shown)
    .map((card) => card.getBoundingClientRect());
  const left = Math.min(...cards.map((card) => card.left));
  const right = Math.max(...cards.map((card) => card.right));
  const controls = [...document.querySelectorAll("button, summary, a, input")].filter(shown);
  const small = controls.filter((each) => each.getBoundingClientRect().height < 44);
  const buttons = [...document.querySelectorAll("button")].filter(shown);
  const names = buttons.map((button) => button.ariaLabel ?? button.textContent ?? "");
  const peers = document.querySelector("#peers");
  const cutOff = innerWidth <= 680 && peers !== null ? peers.scrollHeight - peers.clientHeight : 0;
  return {
    edges: [Math.round(box("body > header img").left - left), Math.round(right - box("#self .badge").right)],
    overflow: Math.max(0, document.documentElement.scrollWidth - innerWidth, cutOff),
    small: small.map((each) => each.outerHTML.slice(0, 80)),
    named: names.filter((name, i) => name === "" || names.indexOf(name) !== i),
  };
}

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
