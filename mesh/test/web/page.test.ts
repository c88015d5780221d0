import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { withChromium } from "../../../test/support/needs.js";
import { qrPath } from "../../src/cli/qr.js";
import { directPeer, KEY_A, someInfo, unmetPeer } from "../support/fake-mesh.js";
import { contrasts } from "../support/page-colours.js";
import { meshOf, networkOf, peerOf, WebMesh } from "../support/web-daemon.js";
import { openWeb, startWeb } from "../support/web-page.js";

const HOSTILE = `<img src=x onerror="document.title='owned'"><script>document.title='owned'</script>`;

/** With it, the test writes the picture of the documentation. */
const WRITES = process.env.WEB_WRITE === "1";

const SIZES = [400, 768, 1280, 1920];
const COUNTS = [0, 1, 4, 12, 60];

withChromium("the page of sidewire-mesh web", { timeout: 120_000 }, (launchChromium) => {
  let browser: Browser;

  beforeAll(async () => {
    browser = await launchChromium();
  });
  afterAll(() => browser?.close());

  it("shows the way to each peer, in the picture and in the table, and what changes", async () => {
    const mesh = meshOf(8);
    const { page, problems } = await openWeb(browser, mesh);
    const picture = page.locator("#picture");
    await expect.poll(() => picture.locator("g").count()).toBe(9);
    const words = (await picture.locator("title").allTextContents()).toSorted();
    expect(words).toEqual(
      [
        "ams-1: direct LAN 0.4 ms",
        "db-1: TURN relay 29 ms",
        "fra-1: direct NAT 11 ms",
        "home-1: direct IPv6 17 ms",
        "lab-1: relayed 20 ms",
        "pi-1: direct NAT 23 ms",
        "sgp-1: direct NAT 14 ms",
        "web-1: no path probing",
      ].toSorted(),
    );
    // Each kind has a line of its own, colours aside.
    const lines = await picture.locator(".line").evaluateAll((all) =>
      all.map((line) => {
        const { strokeDasharray, strokeWidth } = getComputedStyle(line);
        return [line.classList.value, `${strokeDasharray} ${strokeWidth}`];
      }),
    );
    expect(new Set(Object.values(Object.fromEntries(lines))).size).toBe(6);
    const rows = await page.getByRole("row").allInnerTexts();
    expect(rows.find((row) => row.startsWith("lab-1"))).toMatch(
      /relayed by ams-1\s+20 ms\s+203\.0\.113\.5:40004/,
    );
    expect(rows.find((row) => row.startsWith("web-1"))).toContain(
      "probing: no path yet: the peer has not answered",
    );

    const [first, ...others] = mesh.now.peers;
    const met = peerOf(1, Date.now(), { publicKey: first?.publicKey ?? "", name: "ams-1" });
    mesh.change({ ...mesh.now, peers: [met, ...others.slice(0, -1)] });
    await page.getByText("ams-1: direct NAT, 203.0.113.2:40001, 11 ms").waitFor();
    await page.getByText("db-1 is no peer any more").waitFor();
    await expect.poll(() => picture.locator("g").count()).toBe(8);
    expect(await page.title()).toBe("lo: 7 peers · sidewire-mesh");

    // Of too many peers to read, the picture shows how many there are of each kind. One is found by its name.
    mesh.change(meshOf(60).now);
    await expect.poll(() => picture.locator("g").count()).toBe(7);
    const [lan] = await picture.locator("g").allTextContents();
    expect(lan).toMatch(/8 peersams-1, ams-2, .*direct LAN0\.4–6\.0 ms$/);
    expect(await page.getByRole("row").count()).toBe(61);
    await page.getByLabel("Find").fill("PI-3");
    await expect
      .poll(() => page.getByRole("rowheader").allTextContents())
      .toEqual([expect.stringMatching(/^pi-3/)]);
    await page.getByLabel("Find").fill("nothing");
    await page.getByText("0 of 60 peers have this text.").waitFor();
    expect(problems).toEqual([]);
  });

  it("shows names of others as texts, whatever is in them", async () => {
    const mesh = new WebMesh();
    const peers = [
      directPeer({ name: HOSTILE, allowedIps: [HOSTILE] }),
      unmetPeer({ name: `\u202e${HOSTILE}`, reason: HOSTILE }),
    ];
    const candidates = [{ kind: "host", endpoint: HOSTILE, ageS: 1 }] as const;
    const brokers = [{ host: HOSTILE, port: 1, state: "waiting", error: HOSTILE }];
    mesh.now = someInfo({ peers, candidates, brokers, troubles: [HOSTILE] });
    mesh.network = networkOf(mesh.now, {
      name: HOSTILE,
      rules: [HOSTILE],
      troubles: [HOSTILE],
      waiting: [{ name: HOSTILE, publicKey: HOSTILE }],
    });
    const { page, problems } = await openWeb(browser, mesh);
    await page.locator("#invite-button").click();
    await page.locator("#invitation").waitFor();
    mesh.change({ ...mesh.now, peers: [directPeer({ name: `${HOSTILE}2` })] });
    await page.locator("#events li").nth(1).waitFor();
    expect(await page.locator("#main").textContent()).toContain(HOSTILE);
    expect(await page.locator("#main :is(img, script, iframe)").count()).toBe(0);
    expect(await page.title()).not.toBe("owned");
    expect(problems).toEqual([]);
    // What would make HTML of a text is forbidden, and would have been seen.
    await page.evaluate(() => {
      try {
        document.body.innerHTML += "<b>x</b>";
      } catch {}
    });
    await expect.poll(() => problems.join()).toContain("require-trusted-types-for");
  });

  it("takes the token out of the address, and shows nothing without it", async () => {
    const { page, url } = await openWeb(browser, meshOf(2));
    expect(page.url()).toBe(url.replace(/#.*/, ""));
    expect(await page.evaluate(() => document.cookie)).toBe("");
    await page.reload();
    await page.getByRole("rowheader", { name: "ams-1" }).waitFor();
    // Another tab has no token.
    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.getByText("This page needs the whole address").waitFor();
    expect(await other.locator("#main").isVisible()).toBe(false);
    // A wrong one is refused; the right one in the same tab is taken.
    await other.goto(`${page.url()}#${"x".repeat(43)}`);
    await other.getByText("This page needs the whole address").waitFor();
    await other.goto(url);
    await other.getByRole("rowheader", { name: "ams-1" }).waitFor();
  });

  it("says that the daemon, or the command, does not answer, and goes on when it does", async () => {
    const mesh = meshOf(2);
    const opened = await openWeb(browser, mesh);
    const { page, command } = opened;
    const banner = page.getByRole("alert").first();
    expect(await banner.isVisible()).toBe(false);
    await opened.control.close([]);
    await page.getByText("The daemon of lo does not answer. This page goes on by itself").waitFor();
    await expect.poll(() => page.locator("#live").textContent()).toMatch(/^as of \d\d:/);
    expect(await page.getByRole("row").count()).toBe(3);
    await opened.again();
    await banner.waitFor({ state: "hidden" });
    expect(await page.locator("#live").textContent()).toBe("live");
    await page.getByText("The daemon of lo answers again").waitFor();
    await command.stop();
    await page.getByText("The command sidewire-mesh web does not answer").waitFor();
  });

  it("invites, by keyboard alone", async () => {
    const mesh = meshOf(1);
    mesh.network = undefined;
    const { page, problems } = await openWeb(browser, mesh);
    const focused = (): Promise<string> =>
      page.evaluate(() => {
        const { activeElement: one } = document;
        return one?.getAttribute("name") ?? one?.id ?? "";
      });
    const order: string[] = [];
    for (let i = 0; i < 20; i++) {
      await page.keyboard.press("Tab");
      const name = await focused();
      if (order.includes(name)) break;
      order.push(name);
      // Where the keyboard is can be seen.
      const outline = await page.evaluate(() => {
        const { outlineStyle, outlineWidth } = getComputedStyle(document.activeElement ?? document.body);
        return `${outlineStyle} ${outlineWidth}`;
      });
      if (name !== "") expect([name, outline]).toEqual([name, "solid 3px"]);
    }
    const form = ["network", "name", "uses", "expires", "approve", "invite-button"];
    expect(order.filter((name) => name !== "")).toEqual([...form, "event-scroll", "netcheck-button"]);

    await page.locator("[name=network]").focus();
    await page.keyboard.type("home");
    for (const _ of ["name", "uses"]) await page.keyboard.press("Tab");
    await page.keyboard.press("ArrowUp");
    for (const _ of ["expires", "approve"]) await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await page.keyboard.press("Enter");
    await page.locator("#invitation").waitFor();
    expect(mesh.asked).toEqual([
      { do: "invite", uses: 2, expiresS: 604_800, approve: true, network: "home" },
    ]);
    // The focus is where the result begins.
    expect(await page.evaluate(() => document.activeElement?.textContent)).toContain(
      "can join home: 2 machines",
    );
    const token = await page.getByLabel("The token", { exact: true }).inputValue();
    expect(await page.locator(".qr path").getAttribute("d")).toBe(qrPath(token).path);
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await page.getByRole("button", { name: "Copy the token" }).press("Enter");
    await page.getByRole("button", { name: "Copied" }).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(token);
    await page.getByRole("button", { name: "Hide it" }).press("Enter");
    expect(await page.content()).not.toContain(token);
    expect(await focused()).toBe("invite-button");
    expect(problems).toEqual([]);
  });

  it("offers no invitation where this host is no admin, and says why one is refused", async () => {
    const mesh = meshOf(1);
    const { page } = await openWeb(browser, mesh);
    const network = mesh.network ?? expect.fail();
    mesh.membership = async (request) => {
      if (request?.do === "members") return { did: "members", network };
      throw new Error("the disk is full");
    };
    await page.locator("#invite-button").click();
    await page.getByRole("alert").getByText("the disk is full").waitFor();
    mesh.network = undefined;
    mesh.membership = async () => ({ did: "members", network: { ...network, isAdmin: false } });
    await page.getByText("Only an admin of office can invite").waitFor();
    expect(await page.locator("#invite-form").isVisible()).toBe(false);
  });

  it("checks the network", async () => {
    const args = [
      "--stun",
      "127.0.0.1:9",
      "--no-port-mapping",
      "--brokers",
      join(import.meta.dirname, "no-brokers.json"),
    ];
    const { page, problems } = await openWeb(browser, meshOf(1), {}, args);
    const button = page.locator("#netcheck-button");
    await button.focus();
    await page.keyboard.press("Enter");
    await page.getByText("UDP: no UDP gets through").waitFor();
    await page.getByText("brokers: none of 1 brokers can be reached").waitFor();
    await expect.poll(() => button.textContent()).toBe("Check this network");
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("netcheck-button");
    await expect
      .poll(() => page.getByRole("status").textContent(), { timeout: 10_000 })
      .toMatch(/^The network is checked: \d warnings?\.$/);
    expect(problems).toEqual([]);
  });

  it("reads aloud little, however much happens", async () => {
    const mesh = meshOf(3);
    const { page } = await openWeb(browser, mesh);
    await page.evaluate(() => {
      const status = document.querySelector("[role=status]");
      const told: string[] = [];
      Object.assign(window, { told });
      if (status !== null)
        new MutationObserver(() => told.push(status.textContent ?? "")).observe(status, { childList: true });
    });
    for (let i = 0; i < 10; i++) {
      mesh.change(someInfo({ peers: [directPeer({ name: `name-${i}` })] }));
      await page.getByRole("rowheader", { name: `name-${i} ` }).waitFor();
    }
    await expect
      .poll(() => page.evaluate(() => Object.getOwnPropertyDescriptor(window, "told")?.value.length), {
        timeout: 20_000,
      })
      .toBeGreaterThan(0);
    const told: string[] = await page.evaluate(() => Object.getOwnPropertyDescriptor(window, "told")?.value);
    expect(told.length).toBeLessThanOrEqual(2);
    expect(told[0]).toMatch(/ And \d+ more events\.$/);
  });

  it.each(SIZES)("fits %i px with 0 to 60 peers, and everything can be hit with a finger", async (width) => {
    const mesh = meshOf(0);
    const viewport = { width, height: 900 };
    const { page, problems } = await openWeb(browser, mesh, { viewport });
    const long = "a-very-long-name-of-a-host-".repeat(8);
    for (const count of COUNTS) {
      const { peers } = meshOf(count).now;
      const named = peers.map((peer, i) => (i % 2 === 0 ? peer : { ...peer, name: long }));
      mesh.change({ ...mesh.now, peers: named });
      mesh.network = networkOf(mesh.now);
      // What no event has told is told within 2 s.
      await expect
        .poll(() => page.getByRole("row").count(), { timeout: 10_000 })
        .toBe(count === 0 ? 0 : count + 1);
      expect([count, await outside(page)]).toEqual([count, []]);
    }
    expect(await tooSmall(page)).toEqual([]);
    await page.locator("#invite-button").click();
    await page.locator("#invitation").waitFor();
    expect([await outside(page), await tooSmall(page)]).toEqual([[], []]);
    expect(problems).toEqual([]);
  });

  it.each(["light", "dark"] as const)(
    "has contrast, and moves only where that is wanted: %s",
    async (colorScheme) => {
      const mesh = meshOf(9, { troubles: ["something is wrong"] });
      mesh.network = networkOf(mesh.now, {
        waiting: [{ name: "pi", publicKey: KEY_A }],
        rules: ["* -> *"],
        troubles: ["a roster is forked"],
      });
      const opened = await openWeb(browser, mesh, { colorScheme, viewport: { width: 1280, height: 900 } });
      const { page } = opened;
      expect(await page.evaluate(() => document.getAnimations().length)).toBe(1);
      await page.emulateMedia({ reducedMotion: "reduce" });
      expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
      await page.locator("#invite-button").click();
      await page.locator("#invitation").waitFor();
      mesh.change({ ...mesh.now, peers: mesh.now.peers.slice(1) });
      await page.locator("#events li").first().waitFor();
      for (const isAway of [false, true]) {
        if (isAway) {
          await opened.control.close([]);
          await page.locator("#banner").waitFor();
        }
        const { texts, lines } = await page.evaluate(contrasts);
        expect(texts.length).toBeGreaterThan(100);
        expect(lines.length).toBeGreaterThan(10);
        expect(texts.filter(({ ratio }) => ratio < 4.5)).toEqual([]);
        // What is no text needs less.
        expect(lines.filter(({ ratio }) => ratio < 3)).toEqual([]);
      }
    },
  );

  const draw = async (): Promise<void> => {
    const context = await browser.newContext({
      viewport: { width: 1440, height: 900 },
      deviceScaleFactor: 1,
    });
    const { url } = await startWeb(meshOf(12));
    const page = await context.newPage();
    await page.goto(url);
    await page.locator("#main").waitFor();
    await page.screenshot({ path: join(import.meta.dirname, "../../docs/web.png") });
    await context.close();
  };
  if (WRITES) it("is drawn for the documentation", draw);
});

/** What is wider than the page, or than its picture. */
async function outside(page: Page): Promise<string[]> {
  return await page.evaluate(() => {
    const found: string[] = [];
    if (document.documentElement.scrollWidth > innerWidth) found.push("the page scrolls sideways");
    for (const element of document.querySelectorAll("#main *, header *")) {
      const { left, right, width } = element.getBoundingClientRect();
      if (width > 1 && (left < -1 || right > innerWidth + 1))
        found.push(`${element.tagName} ${element.id} ${element.textContent?.slice(0, 40)}`);
    }
    return found;
  });
}

/** Controls that are less than 44 px high. A label belongs to its control. */
async function tooSmall(page: Page): Promise<string[]> {
  return await page.evaluate(() =>
    Array.from(document.querySelectorAll("button, input, select, textarea"))
      .filter((control) => control.checkVisibility())
      .filter((control) => (control.closest("label.check") ?? control).getBoundingClientRect().height < 44)
      .map((control) => control.outerHTML),
  );
}
