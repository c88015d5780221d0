/** Runs in a page: what a test of channels drives by `page.evaluate`. */
import { type BrokerPool, Keypair, Router } from "../../src/index.js";
import { accept, connect, isSignal, type Peer, type PeerState } from "../../src/webrtc/index.js";

declare global {
  interface Window {
    readonly webrtc: { accept: typeof accept; connect: typeof connect; isSignal: typeof isSignal };
    router: Router;
    /** Those whom {@link meet} found, by address. */
    readonly peers: Map<string, Peer>;
    /** What was heard over channels, in order. */
    readonly heard: string[];
    /** The states of all peers, in order. */
    readonly states: PeerState[];
    /** Makes the page's router; it is not started. @returns its address */
    begin(brokers: BrokerPool, secretKey?: string): string;
    /** Notes what a peer says and does. */
    watch(peer: Peer): void;
    /** Waits until something holds. */
    until(holds: () => unknown): Promise<void>;
  }
}

Object.assign(window, {
  webrtc: { accept, connect, isSignal },
  peers: new Map<string, Peer>(),
  heard: [],
  states: [],
});

window.begin = (brokers, secretKey) => {
  const keys = secretKey === undefined ? Keypair.generate() : Keypair.fromSecretKey(secretKey);
  window.router = new Router(keys, { getTime: Date.now, brokers, families: ["IPv4"] });
  return window.router.address;
};

window.watch = (peer) => {
  window.peers.set(peer.address, peer);
  const listen = (channel: RTCDataChannel): void =>
    channel.addEventListener("message", ({ data }) => window.heard.push(`${channel.label}: ${data}`));
  peer.on("channel", listen);
  peer.on("datachannel", listen);
  peer.on("state", (state) => window.states.push(state));
};

window.until = async (holds) => {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
};

document.title = "ready";
