import { expect, it } from "vitest";
import { poolOf } from "../../examples/webrtc/brokers.js";
import type { BrokerHint } from "../../src/index.js";
import { withChromium } from "../support/needs.js";
import { startPeer } from "../support/peers.js";
import { hostExample, LAN_NAME } from "./example-host.js";
import { ExamplePage, talk } from "./example-page.js";

withChromium("the WebRTC example", { timeout: 60_000 }, (launchChromium) => {
  const host = hostExample(launchChromium);

  it("opens a channel to whoever opens the link, and carries text both ways", async () => {
    const [ann, ben] = await host.connected();
    await talk(ann, ben, "Hello");
    expect(await ann.page.locator(".steps .done b").allTextContents()).toEqual([
      "Offer",
      "Answer",
      "Candidates",
      "Channel",
      "First byte",
    ]);
    expect(await ann.page.locator(".figures dd").first().textContent()).toMatch(
      /^[\d.]+ msby 127\.0\.0\.1:\d+$/,
    );
    expect([...ann.problems, ...ben.problems]).toEqual([]);
  });

  it("works in a page that is no secure context, as a phone has it", async () => {
    const ann = await host.open();
    const link = new URL(await ann.link());
    link.hostname = LAN_NAME;
    const ben = await host.open(link.href);
    expect(await ben.page.evaluate(() => isSecureContext)).toBe(false);
    await Promise.all([ann.untilPhase("open"), ben.untilPhase("open")]);
    await talk(ann, ben, "Hello");
    await ben.page.locator("#copy").click();
    await ben.page.locator("#copied", { hasText: "Copied" }).waitFor();
    expect(ben.problems).toEqual([]);
  });

  it("finds its way back when either page is loaded again, as the same peer", async () => {
    const [ann, ben] = await host.connected();
    for (const page of [ann, ben]) {
      const address = await page.address();
      await page.page.reload();
      expect(await page.address()).toBe(address);
      await page.untilPhase("open");
      await talk(ann, ben, `After ${address}`);
    }
  });

  it("gives a tab that is duplicated a key of its own", async () => {
    const ann = await host.open();
    const opening = ann.page.context().waitForEvent("page");
    // The new tab takes a copy of the session's storage along.
    await ann.page.evaluate(() => void window.open(location.href));
    const second = new ExamplePage({ page: await opening, problems: [] });
    expect(await second.address()).not.toBe(await ann.address());
  });

  it("leaves alone what is no signal, and says so when a link is damaged", async () => {
    const ann = await host.open();
    const stranger = await startPeer(poolOf("127.0.0.1", host.example.brokers), { encrypt: true });
    const pipe = await stranger.pipe(await ann.address());
    const signals = [
      "hello",
      "null",
      '{"webrtc":1,"from":1}',
      '{"webrtc":1,"from":"a","content":{}}',
      '{"webrtc":1,"from":"a","content":{"number":0,"description":{"type":"rollback","sdp":""}}}',
      '{"webrtc":1,"from":"a","content":{"description":{"type":"offer","sdp":"v=9"}}}',
      '{"webrtc":1,"from":"a","content":{"candidates":[{"candidate":"x","sdpMid":"0"}]}}',
    ];
    for (const signal of signals) expect(await pipe.send(signal)).toBe(signal.length);
    // A description that the browser refuses, and in the clear, which it is not to be.
    await pipe.deliver(
      '{"webrtc":1,"from":"a","content":{"number":0,"description":{"type":"offer","sdp":"v=9"}}}',
    );
    const clear = await stranger.pipe(await ann.address(), { encrypt: false });
    expect(await clear.send("hello", { timeoutMs: 500 })).toBe(0);

    const ben = await host.open(await ann.link());
    await Promise.all([ann.untilPhase("open", await ben.address()), ben.untilPhase("open")]);
    expect(ann.problems).toEqual([]);

    const lost = await host.open((await ann.link()).slice(0, -1));
    await lost.page.locator("#notice", { hasText: "damaged" }).waitFor();
  });

  it("keeps in localStorage where peers were found, and dials there first", async () => {
    const [ann, ben] = await host.connected();
    const address = await ann.address();
    const keptOf = (name: string): Promise<BrokerHint[]> =>
      ben.page.evaluate((key) => JSON.parse(localStorage.getItem(key) ?? "[]"), `sidewire-hints-${name}`);
    await expect.poll(() => keptOf(address)).not.toEqual([]);

    const own = await ben.address();
    const dialled: string[] = [];
    await expect.poll(async () => (await keptOf(own)).length).toBe(3);
    const last = (await keptOf(own)).at(-1);
    await ben.page.evaluate(
      ([key, hints]) => localStorage.setItem(key ?? "", hints ?? ""),
      [`sidewire-hints-${own}`, JSON.stringify([last])],
    );
    ben.page.on("websocket", (socket) => dialled.push(socket.url()));
    await ben.page.reload();
    await ben.untilPhase("open");
    expect(dialled[0]).toBe(new URL(`ws://${last?.host}:${last?.port}/mqtt`).href);

    // What is damaged counts as nothing.
    await ben.page.evaluate(() => {
      for (const key of Object.keys(localStorage)) localStorage.setItem(key, "{");
    });
    await ben.page.reload();
    await ben.untilPhase("open");
    await talk(ann, ben, "Hello");
  });
});
