import { beforeEach, describe, expect, it, vi } from "vitest";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { ASK_GAP_MS, FAILED_MS, PATIENCE_MS } from "../../src/relay/limits.js";
import type { RelayMessage } from "../../src/relay/message.js";
import { rankRelays } from "../../src/relay/rank.js";
import { RelayClient } from "../../src/relay/relay-client.js";
import { FakeRelayPeer, keyOf, Told } from "../support/relay-peers.js";

const [OWN, PEER] = [keyOf("own"), keyOf("peer")];
const [FIRST = "", SECOND = ""] = rankRelays(OWN, PEER, [keyOf("r1"), keyOf("r2")]);

function place(relayAddress: string, peer = PEER): Extract<RelayMessage, { type: "allocated" }> {
  const endpoint = parseEndpoint(relayAddress);
  if (endpoint === undefined) throw new Error("no endpoint");
  return { type: "allocated", peer, id: 7n, endpoint };
}

describe("who is relayed", () => {
  let told: Told;
  let peers: Map<string, FakeRelayPeer>;
  let client: RelayClient;
  let forbidden: Set<string>;
  const peer = (name: string): FakeRelayPeer => {
    const found = peers.get(name);
    if (found === undefined) throw new Error("no such peer");
    return found;
  };

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["performance"] });
    told = new Told();
    forbidden = new Set();
    peers = new Map([
      [PEER, new FakeRelayPeer("probing", "10.9.0.2/32")],
      [FIRST, new FakeRelayPeer("direct", "10.9.0.3/32")],
      [SECOND, new FakeRelayPeer("direct", "10.9.0.4/32")],
    ]);
    client = new RelayClient({
      own: () => OWN,
      peers,
      tell: told.tell,
      mayRelay: (name) => !forbidden.has(name),
      isBehindTunnel: ({ address }) => address.startsWith("10.9."),
    });
    client.offers(FIRST, true);
    client.offers(SECOND, true);
    return () => vi.useRealTimers();
  });

  it("asks the first relay, and not again at once", () => {
    client.want(PEER);
    client.want(PEER);
    expect(told.take()).toMatchObject([{ type: "request", to: FIRST, peer: PEER }]);
  });

  it("asks the next one when the first refuses, or has no direct path", () => {
    client.want(PEER);
    client.refused(FIRST, { type: "refused", peer: PEER, reason: "full" });
    expect(told.take()).toMatchObject([{ to: FIRST }, { type: "request", to: SECOND }]);
    peer(SECOND).state = "relayed";
    vi.advanceTimersByTime(2000);
    client.want(PEER);
    expect(told.take()).toEqual([]);
  });

  it("asks as soon as there is a relay", () => {
    for (const name of [FIRST, SECOND]) peer(name).state = "lost";
    client.want(PEER);
    expect(told.take()).toEqual([]);
    peer(SECOND).state = "direct";
    client.peerChanged(SECOND);
    expect(told.take()).toMatchObject([{ type: "request", to: SECOND }]);
    client.offers(keyOf("r3"), true);
    expect(told.take()).toEqual([]);
  });

  it("binds to its place, and then tries the path", async () => {
    await client.allocated(FIRST, place("10.9.0.3:4000"));
    expect(told.take()).toMatchObject([{ type: "bind", id: 7n, to: FIRST, path: "10.9.0.3:4000" }]);
    expect(peer(PEER).facts).toEqual([{ type: "relay", path: "10.9.0.3:4000", isOpen: true }]);
    expect(client.relayOf(PEER, "10.9.0.3:4000")).toBe(FIRST);
    expect(client.relayOf(SECOND, "10.9.0.3:4000")).toBeUndefined();
  });

  it("does not try a path that it could not bind to", async () => {
    told.arrives = false;
    await client.allocated(FIRST, place("10.9.0.3:4000"));
    expect(peer(PEER).facts).toEqual([]);
  });

  it.each([
    ["is another one's", "10.9.0.4:4000", PEER],
    ["is outside the tunnel", "192.0.2.1:4000", PEER],
    ["is for somebody who is no peer", "10.9.0.3:4000", keyOf("nobody")],
    ["is for the way to the relay itself", "10.9.0.3:4000", FIRST],
  ])("takes no place that %s", async (_, endpoint, of) => {
    await client.allocated(FIRST, place(endpoint, of));
    expect(told.take()).toEqual([]);
    for (const { facts } of peers.values()) expect(facts).toEqual([]);
  });

  it("leaves a place that is given up, or whose relay is reached by a relay", async () => {
    await client.allocated(FIRST, place("10.9.0.3:4000"));
    await client.allocated(SECOND, place("10.9.0.4:4000"));
    peer(PEER).facts.length = 0;
    client.released(FIRST, PEER, 8n);
    expect(peer(PEER).facts).toEqual([]);
    client.released(FIRST, PEER, 7n);
    expect(peer(PEER).facts).toEqual([{ type: "relay", path: "10.9.0.3:4000", isOpen: false }]);
    peer(SECOND).state = "relayed";
    client.peerChanged(SECOND);
    expect(peer(PEER).facts[1]).toEqual({ type: "relay", path: "10.9.0.4:4000", isOpen: false });
    expect(client.relayOf(PEER, "10.9.0.4:4000")).toBeUndefined();
  });

  it("asks where it has a place already, before the first in the order", async () => {
    await client.allocated(SECOND, place("10.9.0.4:4000"));
    told.take();
    client.want(PEER);
    expect(told.take()).toMatchObject([{ type: "request", to: SECOND }]);
  });

  it("leaves a relay through which nothing comes for the next one", () => {
    const asked: string[] = [];
    for (let at = 0; at < PATIENCE_MS * 2; at += 2000) {
      client.want(PEER);
      asked.push(...told.take().map(({ to }) => to));
      vi.advanceTimersByTime(2000);
    }
    expect(asked).toEqual([FIRST, FIRST, FIRST, SECOND, SECOND, SECOND]);
    vi.advanceTimersByTime(FAILED_MS);
    client.want(PEER);
    expect(told.take()).toMatchObject([{ to: FIRST }]);
  });

  it("leaves a relay on whose path packets are lost, and no other for that of a direct path", async () => {
    await client.allocated(FIRST, place("10.9.0.3:4000"));
    told.take();
    client.want(PEER, "192.0.2.1:51820");
    expect(told.take()).toMatchObject([{ type: "request", to: FIRST }]);
    client.want(PEER, "10.9.0.3:4000");
    vi.advanceTimersByTime(ASK_GAP_MS);
    client.want(PEER, "10.9.0.3:4000");
    expect(told.take()).toMatchObject([{ type: "request", to: SECOND }]);
    vi.advanceTimersByTime(FAILED_MS);
    client.want(PEER);
    expect(told.take()).toMatchObject([{ type: "request", to: FIRST }]);
  });

  it("has nothing to do with a relay that the network forbids", async () => {
    forbidden.add(FIRST);
    client.want(PEER);
    expect(told.take()).toMatchObject([{ type: "request", to: SECOND }]);
    await client.allocated(FIRST, place("10.9.0.3:4000"));
    expect([told.take(), peer(PEER).facts]).toEqual([[], []]);
    await client.allocated(SECOND, place("10.9.0.4:4000"));
    peer(PEER).facts.length = 0;
    told.take();
    forbidden = new Set([SECOND]);
    vi.advanceTimersByTime(ASK_GAP_MS);
    client.changed();
    expect(peer(PEER).facts).toEqual([{ type: "relay", path: "10.9.0.4:4000", isOpen: false }]);
    expect(told.take()).toMatchObject([{ type: "request", to: FIRST }]);
  });

  it("tells the relays at the end", async () => {
    await client.allocated(FIRST, place("10.9.0.3:4000"));
    told.take();
    client.close();
    expect(told.take()).toMatchObject([{ type: "released", to: FIRST, peer: PEER, id: 7n }]);
  });
});
