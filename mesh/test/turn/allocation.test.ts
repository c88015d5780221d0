import { createSocket } from "node:dgram";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { Allocation } from "../../src/turn/allocation.js";
import { REFRESH_MS, RENEW_MS } from "../../src/turn/limits.js";
import { channelHead } from "../../src/turn/turn-message.js";
import { CREDENTIALS, endpointOf, FakeTurnServer, type Faults } from "../support/fake-turn-server.js";

const PEER = endpointOf("198.51.100.7:4000");

interface Opened {
  readonly server: FakeTurnServer;
  readonly allocation: Allocation;
  readonly data: [text: string, from: string][];
  readonly lost: string[];
}

async function open(faults: Faults = {}): Promise<Opened> {
  const server = await FakeTurnServer.start(faults);
  const data: [string, string][] = [];
  const lost: string[] = [];
  const allocation = await Allocation.open(server.endpoint, CREDENTIALS, {
    onData: (bytes, { address, port }) => data.push([Buffer.from(bytes).toString(), `${address}:${port}`]),
    onLost: ({ message }) => lost.push(message),
  });
  onTestFinished(() => allocation.abandon());
  return { server, allocation, data, lost };
}

describe("an allocation", () => {
  it("is got with credentials, passes data on both ways, and is freed", async () => {
    const { server, allocation, data } = await open();
    expect(server.asked).toEqual(["Allocate", "Allocate"]);
    expect(allocation.relayed).toEqual(endpointOf("192.0.2.1:50000"));
    expect(await allocation.permit(PEER.address)).toBe(true);
    server.fromPeer("198.51.100.7:4000", Buffer.from("hello"));
    await vi.waitFor(() => expect(data).toEqual([["hello", "198.51.100.7:4000"]]));
    allocation.send(Buffer.from("not yet bound"), PEER);
    await vi.waitFor(() => expect(server.sent[0]?.includes("not yet bound")).toBe(true));
    allocation.bind(PEER);
    await vi.waitFor(() => expect(server.channels.get("198.51.100.7:4000")).toBe(0x4000));
    await vi.waitFor(() => {
      allocation.send(Buffer.from("bound"), PEER);
      expect(server.sent.at(-1)).toEqual(Buffer.concat([channelHead(0x4000, 5), Buffer.from("bound")]));
    });
    server.write(Buffer.concat([channelHead(0x4000, 6), Buffer.from("answer")]));
    await vi.waitFor(() => expect(data.at(-1)).toEqual(["answer", "198.51.100.7:4000"]));
    await allocation.close();
    expect(server.asked.at(-1)).toBe("free");
  });

  it("is kept: refreshed, with its permissions and channels", async () => {
    const { server, allocation } = await open();
    await allocation.permit(PEER.address);
    allocation.bind(PEER);
    await vi.waitFor(() => expect(server.channels.size).toBe(1));
    server.asked.length = 0;
    const now = performance.now();
    allocation.upkeep(now + REFRESH_MS - 1000);
    allocation.upkeep(now + RENEW_MS + 1000);
    await vi.waitFor(() =>
      expect(server.asked.toSorted()).toEqual(["ChannelBind", "CreatePermission", "Refresh"]),
    );
  });

  it("hears of no address that has no permission, and of no channel that it did not bind", async () => {
    const { server, allocation, data } = await open();
    await allocation.permit(PEER.address);
    server.fromPeer("198.51.100.8:4000", Buffer.from("a stranger"));
    server.write(Buffer.concat([channelHead(0x4000, 4), Buffer.from("none")]));
    server.fromPeer("198.51.100.7:9", Buffer.from("the last"));
    await vi.waitFor(() => expect(data).toHaveLength(1));
    expect(data).toEqual([["the last", "198.51.100.7:9"]]);
  });

  it("hears the server alone", async () => {
    const { server, allocation, data } = await open();
    await allocation.permit(PEER.address);
    const stranger = createSocket("udp4");
    onTestFinished(() => void stranger.close());
    const write = server.write.bind(server);
    // Whoever finds out where the client is.
    const forged = new Promise<void>((sent) => {
      server.write = (bytes) => stranger.send(bytes, server.client?.port ?? 0, "127.0.0.1", () => sent());
    });
    server.fromPeer("198.51.100.7:4000", Buffer.from("forged"));
    await forged;
    server.write = write;
    server.fromPeer("198.51.100.7:4000", Buffer.from("true"));
    await vi.waitFor(() => expect(data).toEqual([["true", "198.51.100.7:4000"]]));
  });
});

describe("a server that sends on to another one", () => {
  const events = { onData: () => {}, onLost: () => {} };
  const nameOf = ({ endpoint }: FakeTurnServer): string => `127.0.0.1:${endpoint.port}`;

  it("is left for that one, which has the allocation", async () => {
    const other = await FakeTurnServer.start({ relayed: "192.0.2.2:50000" });
    const server = await FakeTurnServer.start({ alternate: nameOf(other) });
    const allocation = await Allocation.open(server.endpoint, CREDENTIALS, events);
    expect(allocation.relayed).toEqual(endpointOf("192.0.2.2:50000"));
    await allocation.permit(PEER.address);
    expect([server.asked, other.permitted]).toEqual([["Allocate", "Allocate"], [PEER.address]]);
    await allocation.close();
    expect(other.asked.at(-1)).toBe("free");
  });

  it("which sends on again: that is far enough", async () => {
    const last = await FakeTurnServer.start();
    const second = await FakeTurnServer.start({ alternate: nameOf(last) });
    const server = await FakeTurnServer.start({ alternate: nameOf(second) });
    const opened = Allocation.open(server.endpoint, CREDENTIALS, events);
    await expect(opened).rejects.toThrow(/error 300/);
    expect(last.asked).toEqual([]);
    // One that sends on to itself is asked twice.
    server.faults = { alternate: nameOf(server) };
    server.asked.length = 0;
    await expect(Allocation.open(server.endpoint, CREDENTIALS, events)).rejects.toThrow(/error 300/);
    expect(server.asked).toHaveLength(4);
  });

  it.each(["0.0.0.0:1", "224.0.0.1:1", "255.255.255.255:1", "169.254.1.1:1", "[2001:db8::1]:1"])(
    "is not left for %s",
    async (alternate) => {
      const server = await FakeTurnServer.start({ alternate });
      const opened = Allocation.open(server.endpoint, CREDENTIALS, events);
      await expect(opened).rejects.toThrow(/error 300/);
    },
  );

  it("is not left for one behind the tunnel, where each packet would go in again", async () => {
    const other = await FakeTurnServer.start();
    const server = await FakeTurnServer.start({ alternate: nameOf(other) });
    const opened = Allocation.open(server.endpoint, CREDENTIALS, events, {
      isBehindTunnel: async ({ port }) => port === other.endpoint.port,
    });
    await expect(opened).rejects.toThrow(/leads through the tunnel/);
    expect(other.asked).toEqual([]);
  });
});

describe("a server that is none", () => {
  it.each([
    ["has nonces that are always stale", { hasStaleNonces: true }, /none of the nonces/, 4],
    ["takes no password", { isStrict: true }, /does not take the username and the password/, 2],
    [
      "knows our port already, whichever",
      { errors: { Allocate: 437 } },
      /knows nothing of our allocation/,
      4,
    ],
    ["does not relay UDP", { errors: { Allocate: 442 } }, /does not relay UDP/, 2],
    ["has a quota", { errors: { Allocate: 486 } }, /as many allocations as it may/, 2],
    ["is full", { errors: { Allocate: 508 } }, /as many as it can/, 2],
    ["says something unheard of", { errors: { Allocate: 699 } }, /error 699/, 2],
    ["has no address of IPv4, and none of IPv6", { errors: { Allocate: 440 } }, /error 440/, 3],
    ["gives an address for no time", { lifetime: 0 }, /too short a time/, 3],
    ["gives nobody's address", { relayed: "0.0.0.0:1" }, /none that others can reach/, 3],
    ["gives the own address", { relayed: "127.0.0.1:22" }, /none that others can reach/, 3],
    ["gives everybody's address", { relayed: "224.0.0.1:5353" }, /none that others can reach/, 3],
  ] as const)("%s", async (_, faults, message, requests) => {
    const server = await FakeTurnServer.start(faults);
    const opened = Allocation.open(server.endpoint, CREDENTIALS, { onData: () => {}, onLost: () => {} });
    await expect(opened).rejects.toThrow(message);
    // It is not asked for ever; and what it gave is given back.
    expect(server.asked).toHaveLength(requests);
    if ("lifetime" in faults || "relayed" in faults) expect(server.asked.at(-1)).toBe("free");
  });

  it("forges answers: they are none", async () => {
    const server = await FakeTurnServer.start({ isForged: true });
    const opened = Allocation.open(server.endpoint, CREDENTIALS, { onData: () => {}, onLost: () => {} });
    await expect(opened).rejects.toThrow(/does not answer/);
  });

  it("wants credentials where there are none", async () => {
    const server = await FakeTurnServer.start();
    const opened = Allocation.open(server.endpoint, undefined, { onData: () => {}, onLost: () => {} });
    await expect(opened).rejects.toThrow(/wants a username and a password/);
  });

  it.each([
    ["forgets it", { errors: { Refresh: 437 } }, /knows nothing of our allocation/],
    ["ends it", { refreshed: 0 }, /has ended our allocation/],
  ] as const)("%s: it is lost", async (_, faults, message) => {
    const { server, allocation, lost } = await open();
    server.faults = faults;
    allocation.check(performance.now() + REFRESH_MS);
    await vi.waitFor(() => expect(lost).toEqual([expect.stringMatching(message)]));
  });

  it("says that an allocation lasts for ever: it is refreshed all the same", async () => {
    const { server, allocation } = await open({ lifetime: 0xffff_ffff });
    allocation.upkeep(performance.now() + REFRESH_MS);
    await vi.waitFor(() => expect(server.asked.at(-1)).toBe("Refresh"));
  });

  it("forbids an address: the others stay", async () => {
    const { server, allocation, data } = await open();
    await allocation.permit(PEER.address);
    server.faults = { errors: { CreatePermission: 403 } };
    expect(await allocation.permit("10.0.0.1")).toBe(false);
    server.fromPeer("10.0.0.1:1", Buffer.from("forbidden"));
    server.fromPeer("198.51.100.7:1", Buffer.from("permitted"));
    await vi.waitFor(() => expect(data).toEqual([["permitted", "198.51.100.7:1"]]));
  });
});
