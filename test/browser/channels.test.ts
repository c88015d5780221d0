import { expect, it } from "vitest";
import { RTCPeerConnection } from "werift";
import { Keypair } from "../../src/index.js";
import { accept, connect, type Peer } from "../../src/webrtc/index.js";
import { withChromium } from "../support/needs.js";
import { record, startPeer } from "../support/peers.js";
import { type ChannelPage, hostChannels } from "./channel-host.js";

withChromium("channels between pages, by sidewire/webrtc", { timeout: 60_000 }, (launchChromium) => {
  const host = hostChannels(launchChromium);

  /** Says something over the channel from one page to the other. */
  const say = ({ page }: ChannelPage, to: ChannelPage, text: string): Promise<void> =>
    page.evaluate(([address, said]) => window.peers.get(address)?.channel.send(said), [
      to.address,
      text,
    ] as const);
  const untilHeard = ({ page }: ChannelPage, text: string): Promise<void> =>
    page.evaluate((line) => window.until(() => window.heard.includes(line)), text);
  const untilState = ({ page }: ChannelPage, of: ChannelPage, state: string): Promise<void> =>
    page.evaluate(([address, wanted]) => window.until(() => window.peers.get(address)?.state === wanted), [
      of.address,
      state,
    ] as const);
  const talk = async (ann: ChannelPage, ben: ChannelPage, word: string): Promise<void> => {
    await Promise.all([say(ann, ben, `${word} from Ann`), say(ben, ann, `${word} from Ben`)]);
    await Promise.all([
      untilHeard(ann, `sidewire: ${word} from Ben`),
      untilHeard(ben, `sidewire: ${word} from Ann`),
    ]);
  };
  /** What `connect` of a page is rejected with. */
  const rejection = ({ page }: ChannelPage, to: string, options: object = {}): Promise<string> =>
    page.evaluate(
      ([address, given]) =>
        window.webrtc.connect(window.router, address, given).then(
          () => "connected",
          (error) => `${error.code}: ${error.message}`,
        ),
      [to, options] as const,
    );

  it("open by connect and accept, and carry text both ways", async () => {
    const [ann, ben] = await host.connected();
    await talk(ann, ben, "Hello");
    expect(await ann.page.evaluate(() => window.states)).toEqual(["calling", "open"]);
    expect([...ann.problems, ...ben.problems]).toEqual([]);
  });

  it("open when both connect at once, to the same peer however often it is asked for", async () => {
    const [ann, ben] = [await host.open(), await host.open()];
    const meet = ({ page }: ChannelPage, { address }: ChannelPage): Promise<boolean> =>
      page.evaluate(async (to) => {
        const { connect } = window.webrtc;
        const both = [
          connect(window.router, to, { onPeer: window.watch }),
          connect(window.router, to),
        ] as const;
        const [first, second] = await Promise.all(both);
        return first === second;
      }, address);
    expect(await Promise.all([meet(ann, ben), meet(ben, ann)])).toEqual([true, true]);
    await talk(ann, ben, "Hello");
  });

  it("answer nobody whom `from` does not let in, and tell a stranger nothing", async () => {
    const ann = await host.open();
    await ann.page.evaluate(async () => {
      const from = (caller: string): boolean => {
        window.heard.push(`asked about ${caller}`);
        throw new Error("no list of friends");
      };
      window.router.on("handlerError", ({ error }) => window.heard.push(String(error)));
      window.webrtc.accept(window.router, () => window.heard.push("accepted"), { from });
      await window.router.start();
    });
    const stranger = await startPeer(host.brokers);
    const got = record(stranger);
    const call = '{"webrtc":1,"from":"a","content":{"number":0,"description":{"type":"offer","sdp":""}}}';
    const inTheClear = await stranger.pipe(ann.address, { encrypt: false });
    await inTheClear.deliver(call);
    const sealed = await stranger.pipe(ann.address, { encrypt: true });
    await sealed.deliver(call);
    await untilHeard(ann, "Error: no list of friends");
    expect(await ann.page.evaluate(() => window.heard)).toEqual([
      `asked about ${stranger.address}`,
      "Error: no list of friends",
    ]);
    expect(got).toEqual([]);
  });

  it("wait until `from` has decided, also for longer than a call lasts", async () => {
    const [ann, ben] = [await host.open(), await host.open()];
    await ann.page.evaluate(async () => {
      const from = (): Promise<boolean> =>
        new Promise((resolve) => addEventListener("accept", () => resolve(true), { once: true }));
      window.webrtc.accept(window.router, (peer) => window.heard.push(peer.address), {
        from,
        onPeer: window.watch,
      });
      await window.router.start();
    });
    await ben.page.evaluate((to) => {
      void window.webrtc.connect(window.router, to, { onPeer: window.watch });
    }, ann.address);
    await untilState(ben, ann, "calling");
    await ann.page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1000)));
    expect(await ann.page.evaluate(() => window.peers.size)).toBe(0);
    await ann.page.evaluate(() => void dispatchEvent(new Event("accept")));
    await untilHeard(ann, ben.address);
    await talk(ann, ben, "Hello");
  });

  it("are several, where more are opened, and none where nobody listens for them", async () => {
    const [ann, ben] = await host.connected();
    await ben.page.evaluate(async (to) => {
      const files = await window.peers
        .get(to)
        ?.open("files", { ordered: false, maxRetransmits: 0, protocol: "raw" });
      files?.send("content");
      window.heard.push(`${files?.label} ${files?.ordered} ${files?.maxRetransmits} ${files?.protocol}`);
    }, ann.address);
    await untilHeard(ann, "files: content");
    await untilHeard(ben, "files false 0 raw");

    await ann.page.evaluate(
      (from) => void window.peers.get(from)?.removeAllListeners("datachannel"),
      ben.address,
    );
    await ben.page.evaluate(async (to) => {
      try {
        const deaf = await window.peers.get(to)?.open("deaf");
        deaf?.addEventListener("close", () => window.heard.push("closed"));
      } catch {
        window.heard.push("closed");
      }
    }, ann.address);
    await untilHeard(ben, "closed");
    await talk(ann, ben, "Still here");
  });

  it("carry media, added before and after, from both sides at once, and over another connection", async () => {
    const [ann, ben] = await host.connected();
    const sendVideo = ({ page }: ChannelPage, { address }: ChannelPage): Promise<void> =>
      page.evaluate(async (to) => {
        const peer = window.peers.get(to);
        peer?.on("track", ({ track, streams }) => window.heard.push(`${track.kind} of ${streams.length}`));
        const canvas = document.createElement("canvas");
        canvas.getContext("2d")?.fillRect(0, 0, 1, 1);
        const stream = canvas.captureStream(10);
        const [track] = stream.getTracks();
        if (track !== undefined) peer?.addTrack(track, stream);
      }, address);
    await Promise.all([sendVideo(ann, ben), sendVideo(ben, ann)]);
    await Promise.all([untilHeard(ann, "video of 1"), untilHeard(ben, "video of 1")]);
    await talk(ann, ben, "Seen");
    expect(await ann.page.evaluate(() => window.states)).toEqual(["calling", "open"]);

    for (const { page } of [ann, ben]) await page.evaluate(() => void window.heard.splice(0));
    await ann.page.evaluate((to) => window.peers.get(to)?.connection.close(), ben.address);
    await ben.page.evaluate(() => window.until(() => window.states.filter((s) => s === "open").length === 2));
    await Promise.all([untilHeard(ann, "video of 1"), untilHeard(ben, "video of 1")]);
  });

  it("come again after a page was loaded again, to a peer that only accepts", async () => {
    const key = Keypair.generate();
    const secret = Buffer.from(key.secretKey).toString("hex");
    const ann = await host.open();
    await ann.page.evaluate(async () => {
      window.webrtc.accept(window.router, (peer) => window.heard.push(peer.address), {
        from: () => true,
        onPeer: window.watch,
      });
      await window.router.start();
    });
    for (let i = 0; i < 2; i++) {
      const ben = await host.open(secret);
      await ben.page.evaluate(async (to) => {
        await window.webrtc.connect(window.router, to, { onPeer: window.watch });
      }, ann.address);
      await say(ben, ann, `life ${i}`);
      await untilHeard(ann, `sidewire: life ${i}`);
      // No farewell: as when a tab is closed.
      await ben.page.close();
    }
    // It is the same peer, and the handler was called once.
    expect(
      await ann.page.evaluate(
        (from) => window.heard.filter((line) => line === from).length,
        key.publicKeyHex,
      ),
    ).toBe(1);
  });

  it("end on both sides when one ends them, also by a signal or with the router", async () => {
    const endings: readonly ((peer: string) => Promise<void>)[] = [
      async (to) => await window.peers.get(to)?.close(),
      async (to) => await window.peers.get(to)?.[Symbol.asyncDispose](),
    ];
    for (const ending of endings) {
      const [ann, ben] = await host.connected();
      await ben.page.evaluate(ending, ann.address);
      await untilState(ann, ben, "closed");
      expect(await ben.page.evaluate((to) => window.peers.get(to)?.state, ann.address)).toBe("closed");
      const code = await ben.page.evaluate(
        (to) =>
          window.peers
            .get(to)
            ?.open("files")
            .catch((error) => error.code),
        ann.address,
      );
      expect(code).toBe("CLOSED");
    }
    const [ann, ben] = [await host.open(), await host.open()];
    await ann.page.evaluate(() => {
      window.webrtc.accept(window.router, () => {}, { from: () => true, onPeer: window.watch });
      return window.router.start();
    });
    await ben.page.evaluate(async (to) => {
      const controller = new AbortController();
      addEventListener("abort-it", () => controller.abort(), { once: true });
      await window.webrtc.connect(window.router, to, { onPeer: window.watch, signal: controller.signal });
    }, ann.address);
    await ben.page.evaluate(() => void dispatchEvent(new Event("abort-it")));
    await untilState(ann, ben, "closed");
    await ben.page.evaluate(async (to) => {
      await window.webrtc.connect(window.router, to, { onPeer: window.watch });
      await window.router.close();
      await window.peers.get(to)?.closed;
    }, ann.address);
    expect(await rejection(ben, ann.address)).toMatch(/^CLOSED: /);
  });

  it("meet a program in Node, by werift, whichever side calls", async () => {
    const node = await startPeer(host.brokers, { transports: ["mqtt"] });
    const echo = (peer: Peer): void => {
      peer.channel.addEventListener("message", ({ data }) => peer.channel.send(`${data}, too`));
    };
    accept(node, echo, { from: () => true, RTCPeerConnection });
    const ann = await host.open();
    await ann.page.evaluate(async (to) => {
      const peer = await window.webrtc.connect(window.router, to, { onPeer: window.watch });
      peer.channel.send("hello");
    }, node.address);
    await untilHeard(ann, "sidewire: hello, too");

    const ben = await host.open();
    await ben.page.evaluate(async (caller) => {
      window.webrtc.accept(window.router, () => {}, {
        from: (address) => address === caller,
        onPeer: window.watch,
      });
      await window.router.start();
    }, node.address);
    const peer = await connect(node, ben.address, { RTCPeerConnection });
    const files = await peer.open("files");
    files.send("from Node");
    await untilHeard(ben, "files: from Node");
    await peer.close();
    await ben.page.evaluate((from) => window.peers.get(from)?.closed, node.address);
  });

  it("do not come about with nobody, or by a signal that has fired, and say so", async () => {
    const ann = await host.open();
    const nobody = Keypair.generate().publicKeyHex;
    expect(await rejection(ann, nobody, { timeoutMs: 500 })).toMatch(/^NO_PEER: no connection to /);
    const aborted = await ann.page.evaluate(
      (to) =>
        window.webrtc
          .connect(window.router, to, { signal: AbortSignal.timeout(100) })
          .catch((error) => `${error.name} ${error.code}`),
      nobody,
    );
    expect(aborted).toBe("AbortError ABORTED");
    expect(await rejection(ann, ann.address)).toMatch(/^INVALID_ADDRESS: address: it is the router's own/);
    expect(await rejection(ann, "02abc")).toMatch(/^INVALID_ADDRESS: /);
    expect(await rejection(ann, nobody, { iceServer: [] })).toMatch(
      /^INVALID_OPTION: .*nearest is "iceServers"/,
    );
    expect(await rejection(ann, nobody, { iceServers: [{ urls: "http://stun" }] })).toMatch(
      /^INVALID_OPTION: .*stun:/,
    );
  });
});
