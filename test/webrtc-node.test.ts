import { describe, expect, it } from "vitest";
import { RTCPeerConnection } from "werift";
import { accept, connect, type Peer } from "../src/webrtc/index.js";
import { startBroker } from "./support/needs.js";
import { makePeer, poolOf, use } from "./support/peers.js";

/** The next message over a channel, as text. */
function heard(channel: RTCDataChannel): Promise<string> {
  return new Promise((resolve) => {
    channel.addEventListener("message", ({ data }) => resolve(String(data)), { once: true });
  });
}

describe("channels in Node, by werift's RTCPeerConnection", () => {
  it("open by connect and accept, are several, and end", async () => {
    const pool = poolOf([use(await startBroker())]);
    const [ann, ben] = [makePeer(pool), makePeer(pool)];
    const accepted = new Promise<Peer>((resolve) => {
      accept(ann, resolve, { from: (caller) => caller === ben.address, RTCPeerConnection });
    });
    await ann.start();
    const toAnn = await connect(ben, ann.address, { RTCPeerConnection });
    const toBen = await accepted;
    const [atAnn, atBen] = [heard(toBen.channel), heard(toAnn.channel)];
    toBen.channel.send("from Ann");
    toAnn.channel.send("from Ben");
    expect(await Promise.all([atAnn, atBen])).toEqual(["from Ben", "from Ann"]);

    const theirs = new Promise<RTCDataChannel>((resolve) => void toBen.once("datachannel", resolve));
    const files = await toAnn.open("files");
    const atFiles = heard(await theirs);
    files.send("content");
    expect(await atFiles).toBe("content");

    await toAnn.close();
    await toBen.closed;
    expect([toAnn.state, toBen.state]).toEqual(["closed", "closed"]);
  });

  it("open when both connect at once", async () => {
    const pool = poolOf([use(await startBroker())]);
    const [ann, ben] = [makePeer(pool), makePeer(pool)];
    const [toBen, toAnn] = await Promise.all([
      connect(ann, ben.address, { RTCPeerConnection }),
      connect(ben, ann.address, { RTCPeerConnection }),
    ]);
    const atBen = heard(toAnn.channel);
    toBen.channel.send("hello");
    expect(await atBen).toBe("hello");
    await Promise.all([toBen.close(), toAnn.close()]);
  });
});
