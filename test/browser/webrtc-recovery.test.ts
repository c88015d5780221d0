import { expect, it, onTestFinished } from "vitest";
import { withChromium } from "../support/needs.js";
import { hostExample } from "./example-host.js";
import { ExamplePage, talk } from "./example-page.js";

withChromium("the WebRTC example recovers: it", { timeout: 60_000 }, (launchChromium) => {
  const host = hostExample(launchChromium);

  it("goes on when a broker dies, lets a third one in, and takes the broker back", async () => {
    const [ann, ben] = await host.connected();
    const first = ann.page.locator(".brokers li").first();
    await first.getByText("Stop").click();
    for (const { page } of [ann, ben]) await page.locator('.brokers li[data-state="waiting"]').waitFor();
    await talk(ann, ben, "Still here");

    const eve = await host.open(await ann.link());
    const address = await eve.address();
    await Promise.all([ann.untilPhase("open", address), eve.untilPhase("open")]);
    await ann.say("Welcome");
    await Promise.all([eve.untilHears("Welcome"), ben.untilHears("Welcome")]);
    await ann.untilDelivered("Welcome");

    await first.getByText("Start").click();
    await ann.page.locator("#broker-count", { hasText: "3 of 3" }).waitFor();
  });

  it("makes a channel that broke anew, through signaling, also with a broker gone; nothing said is lost", async () => {
    const context = await host.someone();
    // What a page cannot be told to do: break its connection without a word to the page.
    await context.addInitScript(() => {
      const made: RTCPeerConnection[] = [];
      window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(configuration?: RTCConfiguration) {
          super(configuration);
          made.push(this);
        }
      };
      addEventListener("break", () => made.at(-1)?.close());
    });
    const ann = await ExamplePage.open(context, host.example.url);
    const ben = await host.open(await ann.link());
    await Promise.all([ann.untilPhase("open"), ben.untilPhase("open")]);
    await host.example.brokers[1]?.stop();

    await ann.page.evaluate(() => dispatchEvent(new Event("break")));
    await ann.say("into the gap");
    await ben.untilHears("into the gap");
    await ann.untilDelivered("into the gap");
    expect(await ben.log()).toContain("the channel was closed");
    await talk(ann, ben, "Again");
    expect((await ben.lines()).toSorted()).toEqual(["Again from Ann", "Again from Ben", "into the gap"]);
  });

  it("restarts ICE through signaling when nothing comes through any more, and keeps the channel", async () => {
    const ann = await host.open();
    // Ben's device is a browser of its own.
    const device = await launchChromium();
    onTestFinished(() => device.close());
    const ben = await ExamplePage.open(await device.newContext(), await ann.link());
    await Promise.all([ann.untilPhase("open"), ben.untilPhase("open")]);
    const session = await device.newBrowserCDPSession();
    const { processInfo } = await session.send("SystemInfo.getProcessInfo");
    const bens = processInfo.filter(({ type }) => type === "renderer").map(({ id }) => id);
    // It sleeps, the whole of it, as no page is told of.
    for (const id of bens) process.kill(id, "SIGSTOP");
    try {
      await ann.untilPhase("recovering");
      await ann.page.locator(".log", { hasText: "restarting ICE" }).waitFor();
      await ann.say("Wake up");
    } finally {
      for (const id of bens) process.kill(id, "SIGCONT");
    }
    await Promise.all([ann.untilPhase("open"), ben.untilHears("Wake up")]);
    await expect.poll(async () => (await ben.log()).filter((note) => note === "← offer")).toHaveLength(1);
    await talk(ann, ben, "Awake");
    expect(await ann.log()).not.toContain("the channel was closed");
  });

  it("calls again while nobody answers, and says so", async () => {
    const ann = await host.open();
    const link = await ann.link();
    const address = await ann.address();
    const kept = await ann.page.evaluate(() => {
      dispatchEvent(new Event("pagehide"));
      return sessionStorage.getItem("sidewire-tab") ?? "";
    });
    await ann.page.close();
    const ben = await host.open(link);
    await ben.untilPhase("waiting");

    const context = await host.someone();
    await context.addInitScript((tab) => sessionStorage.setItem("sidewire-tab", tab), kept);
    const back = await ExamplePage.open(context, host.example.url);
    expect(await back.address()).toBe(address);
    await Promise.all([back.untilPhase("open"), ben.untilPhase("open")]);
  });
});
