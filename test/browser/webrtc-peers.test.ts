import { randomBytes } from "node:crypto";
import { expect, it } from "vitest";
import { poolOf } from "../../examples/webrtc/brokers.js";
import { MAX_PEERS } from "../../examples/webrtc/peers.js";
import { Keypair, type Router } from "../../src/index.js";
import { withChromium } from "../support/needs.js";
import { record, startPeer } from "../support/peers.js";
import { hostExample } from "./example-host.js";
import { ExamplePage, talk } from "./example-page.js";

withChromium("the WebRTC example's peers", { timeout: 60_000 }, (launchChromium) => {
  const host = hostExample(launchChromium);

  const nobody = (): string => Keypair.generate().publicKeyHex;
  const startStranger = (): Promise<Router> =>
    startPeer(poolOf("127.0.0.1", host.example.brokers), { encrypt: true });
  /** What is in the notice, once it says something like this. */
  const noticed = ({ page }: ExamplePage, text: string | RegExp): Promise<void> =>
    page.locator("#notice", { hasText: text }).waitFor();

  /** Says something, whether or not the page lets its user. */
  const sayAnyway = ({ page }: ExamplePage, text: string): Promise<void> =>
    page.evaluate((line) => {
      const input = document.querySelector<HTMLInputElement>("#text");
      if (input !== null) input.value = line;
      document.querySelector("form")?.dispatchEvent(new Event("submit", { cancelable: true }));
    }, text);

  /** A page that talked to others before it was loaded, and whose timers {@link hurry} makes shorter. */
  async function acquainted(peers: readonly string[]): Promise<ExamplePage> {
    const context = await host.someone();
    await context.addInitScript(
      (tab) => {
        if (sessionStorage.getItem("given") === null) sessionStorage.setItem("sidewire-tab", tab);
        sessionStorage.setItem("given", "once");
        const [real, clear] = [setTimeout, clearTimeout];
        let times = 1;
        /** A timer that is begun again when the page hurries, and has the number of its first one all the time. */
        class Timer {
          static readonly all = new Map<unknown, Timer>();
          readonly first: unknown;
          #present: unknown;
          readonly #action: () => void;
          readonly #due: number;

          constructor(action: () => void, ms: number) {
            this.#action = action;
            this.#due = performance.now() + ms;
            this.begin();
            this.first = this.#present;
            Timer.all.set(this.first, this);
          }

          begin(): void {
            const left = this.#due - performance.now();
            this.#present = real(
              () => {
                Timer.all.delete(this.first);
                this.#action();
              },
              left < 100 ? left : left / times,
            );
          }

          end(): void {
            clear(Number(this.#present));
          }
        }
        const begin = (action: () => void, ms = 0): unknown => new Timer(action, ms).first;
        window.setTimeout = Object.assign(begin, setTimeout) as typeof setTimeout;
        window.clearTimeout = (number) => {
          Timer.all.get(number)?.end();
          Timer.all.delete(number);
        };
        addEventListener("hurry", (event) => {
          times = event instanceof CustomEvent ? event.detail : 1;
          for (const timer of Timer.all.values()) {
            timer.end();
            timer.begin();
          }
        });
      },
      JSON.stringify({ key: randomBytes(32).toString("hex"), peers }),
    );
    return await ExamplePage.open(context, host.example.url);
  }
  const hurry = ({ page }: ExamplePage, times: number): Promise<void> =>
    page.evaluate((detail) => void dispatchEvent(new CustomEvent("hurry", { detail })), times);

  it("make room when they are gone, and are not called again by a page that is loaded again", async () => {
    const ann = await acquainted(Array.from({ length: MAX_PEERS }, nobody));
    await ann.page.locator('.peer[data-phase="waiting"]').first().waitFor();
    await ann.say("Anybody?");
    const mark = ann.page.locator("#lines .own .mark");
    expect(await mark.textContent()).toBe("◷");
    await hurry(ann, 20);
    const gone = ann.page.locator('.peer[data-phase="gone"]');
    await expect.poll(() => gone.count(), { timeout: 40_000 }).toBe(MAX_PEERS);
    expect([await mark.textContent(), await mark.getAttribute("aria-label")]).toEqual(["✗", "not delivered"]);

    await hurry(ann, 1);
    const ben = await host.open(await ann.link());
    const address = await ben.address();
    await Promise.all([ann.untilPhase("open", address), ben.untilPhase("open")]);
    expect(await ann.page.locator(".peer").count()).toBe(MAX_PEERS);
    await ann.page.reload();
    await ann.untilPhase("open", address);
    expect(await ann.page.locator(".peer").count()).toBe(1);
  });

  it("make room while they don't answer, and whoever finds none is told of", async () => {
    const others = await Promise.all(Array.from({ length: MAX_PEERS }, startStranger));
    const ann = await acquainted(others.map(({ address }) => address));
    const calling = ann.page.locator('.peer[data-phase="calling"]');
    await expect.poll(() => calling.count()).toBe(MAX_PEERS);
    const ninth = await startStranger();
    const pipe = await ninth.pipe(await ann.address());
    const offer = '{"webrtc":1,"from":"a","content":{"number":0,"description":{"type":"offer","sdp":""}}}';
    await pipe.deliver(offer);
    await noticed(ann, new RegExp(`no room for more: ${ninth.address.slice(0, 6)}`));

    // They wait for a moment only, before they are called again: it calls until it is let in.
    const itsCard = ann.page.locator(`.peer[data-address="${ninth.address}"]`);
    const callAgain = async (): Promise<number> => {
      await pipe.deliver(offer);
      return await itsCard.count();
    };
    await expect.poll(callAgain, { timeout: 40_000 }).toBe(1);
    expect(await ann.page.locator(".peer").count()).toBe(MAX_PEERS);
    await ann.page.locator("#notice").waitFor({ state: "hidden" });
  });

  it("cost few connections when they are strangers that call all the time, and leave room for a friend", async () => {
    const context = await host.someone();
    await context.addInitScript(() => {
      let made = 0;
      window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(configuration?: RTCConfiguration) {
          super(configuration);
          document.documentElement.dataset.made = String(++made);
        }
      };
    });
    const ann = await ExamplePage.open(context, host.example.url);
    const address = await ann.address();
    const made = async (): Promise<number> =>
      Number(await ann.page.locator("html").getAttribute("data-made"));
    const strangers = await Promise.all(Array.from({ length: MAX_PEERS + 4 }, startStranger));
    await Promise.all(
      strangers.map(async (stranger) => {
        const pipe = await stranger.pipe(address);
        for (let life = 100; life < 130; life++)
          await pipe.send(
            `{"webrtc":1,"from":"${life}","content":{"number":0,"description":{"type":"offer","sdp":""}}}`,
          );
      }),
    );
    // Ten for each of those for whom there is room, and what the page itself tries meanwhile; not 360.
    expect(await made()).toBeLessThan(180);
    const ben = await host.open(await ann.link());
    // Room is made every few seconds; he calls until it is.
    const open = ann.page.locator(`.peer[data-address="${await ben.address()}"][data-phase="open"]`);
    await open.waitFor({ timeout: 80_000 });
    expect(ann.problems).toEqual([]);
  }, 120_000);

  it("learn nothing as strangers until they are accepted, and are friends from then on", async () => {
    const context = await host.someone();
    await context.addInitScript(() => {
      window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(configuration?: RTCConfiguration) {
          super(configuration);
          document.documentElement.dataset.made = "some";
        }
      };
    });
    const ann = await ExamplePage.open(context, host.example.url, false);
    const stranger = await startStranger();
    const heard = record(stranger);
    const pipe = await stranger.pipe(await ann.address());
    await pipe.deliver(
      '{"webrtc":1,"from":"a","content":{"number":0,"description":{"type":"offer","sdp":""}}}',
    );
    await ann.untilPhase("asking", stranger.address);
    // Neither a line that is said nor another network makes the page call a stranger.
    await sayAnyway(ann, "Secret");
    await ann.page.evaluate(() => void dispatchEvent(new Event("online")));

    const ben = await host.open(await ann.link());
    const bens = await ben.address();
    await ann.untilPhase("asking", bens);
    await sayAnyway(ann, "Before");
    expect(await ann.page.locator("html").getAttribute("data-made")).toBeNull();
    await ann.page.locator(`.peer[data-address="${bens}"]`).getByText("Accept", { exact: true }).click();
    await Promise.all([ann.untilPhase("open", bens), ben.untilPhase("open")]);
    await talk(ann, ben, "Hello");
    expect(await ben.lines()).not.toContain("Before");

    await ben.page.reload();
    await Promise.all([ann.untilPhase("open", bens), ben.untilPhase("open")]);
    await ann.page.reload();
    await ann.untilPhase("open", bens);
    // The stranger is none of those whom the page calls when it is loaded again.
    expect(await ann.page.locator(".peer").count()).toBe(1);
    expect(heard).toEqual([]);
    expect(ann.problems).toEqual([]);
  });

  it("are called back when they are accepted after they gave up", async () => {
    const ann = await ExamplePage.open(await host.someone(), host.example.url, false);
    const stranger = await startStranger();
    const heard = record(stranger);
    const pipe = await stranger.pipe(await ann.address());
    await pipe.deliver(
      '{"webrtc":1,"from":"a","content":{"number":0,"description":{"type":"offer","sdp":""}}}',
    );
    await ann.untilPhase("asking", stranger.address);
    await ann.page.evaluate(() => {
      const now = performance.now() + 60_000;
      performance.now = () => now;
    });
    await ann.page.getByText("Accept", { exact: true }).click();
    await expect
      .poll(() => heard[0]?.text())
      .toMatch(/^\{"webrtc":1,"from":"[^"]+","content":\{"number":0,.*"offer"/);
  });

  it("are called from a link that is opened in a tab that shows the page already, however it is spelled", async () => {
    const ann = await host.open();
    const ben = await host.open();
    const go = (hash: string): Promise<void> =>
      ben.page.evaluate((to) => {
        location.hash = to;
      }, hash);
    // No key at all, and one that is on no curve.
    for (const damaged of ["hello", `02${"f".repeat(64)}`]) {
      await go(damaged);
      await noticed(ben, "This link is damaged");
    }
    expect(await ben.page.locator(".peer").count()).toBe(0);
    await go((await ann.address()).toUpperCase());
    await Promise.all([ann.untilPhase("open"), ben.untilPhase("open", await ann.address())]);
    expect(await ben.page.locator("#notice").isVisible()).toBe(false);
    // It is no news.
    await go(await ann.address());
    await ben.untilPhase("open");
    expect((await ben.log()).filter((note) => note === "calling")).toHaveLength(1);
    expect(ben.problems).toEqual([]);
  });

  it("are counted in the mark of a line that not all of them have got", async () => {
    const ann = await acquainted([nobody()]);
    const ben = await host.open(await ann.link());
    await ben.untilPhase("open");
    await ann.untilPhase("open");
    await ann.say("Hello");
    await ben.untilHears("Hello");
    const mark = ann.page.getByRole("img", { name: "on its way" });
    await mark.waitFor();
    await hurry(ann, 20);
    await ann.untilPhase("gone");
    await ann.page.getByRole("img", { name: "delivered to 1 of 2" }).waitFor();
    expect(await ann.page.locator("#lines .own .mark").textContent()).toBe("✓");
  });

  it("are not all there is to tell: a broker that doesn't stop, a server that is gone", async () => {
    const ann = await host.open();
    const stop = ann.page.locator(".brokers li button").first();
    await ann.page.route("**/stop", (route) => route.fulfill({ status: 500, body: "it is stuck" }));
    await stop.click();
    await noticed(ann, /didn't stop the broker on port \d+: .*500 it is stuck/);
    await ann.page.unroute("**/stop");
    await ann.page.route("**/stop", (route) => route.abort());
    await stop.click();
    await noticed(ann, "Failed to fetch");
    await ann.page.unroute("**/stop");
    await stop.click();
    await ann.page.locator("#notice").waitFor({ state: "hidden" });

    await ann.page.route("**/setup.json", (route) => route.abort());
    await ann.page.reload();
    await noticed(ann, /can't start: Failed to fetch\. See whether its server runs/);
  });
});
