import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { type Endpoint, formatEndpoint } from "../../src/ip/endpoint.js";
import type { Fact } from "../../src/path/facts.js";
import type { Snapshot } from "../../src/path/snapshot.js";
import type { RelayPeer } from "../../src/relay/relay-peer.js";
import { BY_TURN, TurnClient } from "../../src/turn/turn-client.js";
import { channelHead } from "../../src/turn/turn-message.js";
import type { TurnServer } from "../../src/turn/turn-server.js";
import { CREDENTIALS, endpointOf, FakeTurnServer, type Faults } from "../support/fake-turn-server.js";

const ANN = "ann";
const BEN = "ben";
const RELAYED = "192.0.2.1:50000";
/** Where ann is seen by the server. */
const AT = "198.51.100.7:4000";

/** A peer, as far as the client sees it: where it may be, and what it was told. */
class FakePeer implements RelayPeer {
  readonly allowedIps = [];
  readonly facts: Fact[] = [];
  others: { readonly name: string; readonly kind: string }[];
  path: { readonly name: string; readonly kind: string } | undefined;

  constructor(...addresses: readonly string[]) {
    this.others = addresses.map((name) => ({ name, kind: "direct" }));
  }

  readonly machine = {
    snapshot: () => ({ path: this.path, others: this.others }) as unknown as Snapshot,
  };

  take(fact: Fact): void {
    this.facts.push(fact);
  }

  /** The paths by TURN that it was told of, in order. */
  get paths(): (readonly [isOpen: boolean, path: string])[] {
    return this.facts.flatMap((fact) => (fact.type === "relay" ? [[fact.isOpen, fact.path] as const] : []));
  }
}

interface World {
  readonly client: TurnClient;
  readonly servers: readonly FakeTurnServer[];
  readonly server: FakeTurnServer;
  readonly peers: ReadonlyMap<string, FakePeer>;
  readonly ann: FakePeer;
  readonly ben: FakePeer;
  /** Whom a new candidate was told of, and what the prober got. */
  readonly told: string[];
  readonly probes: (readonly [text: string, from: string, local: string])[];
  /** WireGuard's own socket, and what came to it. */
  readonly wireguard: Socket;
  readonly atWireguard: (readonly [text: string, port: number])[];
}

async function start(...faults: readonly Faults[]): Promise<World> {
  const servers = await Promise.all(
    (faults.length > 0 ? faults : [{}]).map((one) => FakeTurnServer.start(one)),
  );
  const [server] = servers;
  if (server === undefined) throw new Error("there is no server");
  const wireguard = createSocket("udp4").bind(0, "127.0.0.1");
  await once(wireguard, "listening");
  const atWireguard: [string, number][] = [];
  wireguard.on("message", (bytes, { port }) => atWireguard.push([`${bytes}`, port]));
  const [ann, ben] = [new FakePeer(AT, "192.168.1.2:1"), new FakePeer("198.51.100.8:1")];
  const peers = new Map([
    [ANN, ann],
    [BEN, ben],
  ]);
  const told: string[] = [];
  const probes: [string, string, string][] = [];
  const client = new TurnClient({
    servers: servers.map(
      ({ endpoint }): TurnServer => ({ host: "127.0.0.1", port: endpoint.port, credentials: CREDENTIALS }),
    ),
    peers,
    wireguardPort: () => wireguard.address().port,
    receive: (bytes, remote, local) => probes.push([`${Buffer.from(bytes)}`, formatEndpoint(remote), local]),
    isBehindTunnel: async () => false,
    onCandidate: (peer) => told.push(peer),
  });
  onTestFinished(async () => {
    await client.close();
    wireguard.close();
  });
  return { client, servers, server, peers, ann, ben, told, probes, wireguard, atWireguard };
}

/** Both are there, and one wants a way to the other. */
async function allocated(world: World, peer = ANN): Promise<void> {
  world.client.heard(peer);
  world.client.want(peer);
  await vi.waitFor(() => expect(world.told).toContain(peer));
}

/** A probe of the peer came by the relayed address, and was proven: there is a path. */
async function bound(world: World): Promise<Endpoint> {
  await allocated(world);
  world.client.bind(ANN, endpointOf(AT));
  await vi.waitFor(() => expect(world.ann.paths).toHaveLength(1));
  await vi.waitFor(() => expect(world.server.channels.size).toBe(1));
  return endpointOf(world.ann.paths[0]?.[1] ?? "");
}

describe("a client of TURN servers", () => {
  it("asks no server before a way is wanted to a peer that is there", async () => {
    const world = await start();
    world.client.heard(ANN);
    world.client.want(BEN);
    await new Promise(setImmediate);
    expect(world.server.asked).toEqual([]);
    expect(world.client.candidatesFor(ANN)).toEqual([]);
    world.client.want(ANN);
    await vi.waitFor(() => expect(world.told).toEqual([ANN]));
    expect(world.client.candidatesFor(ANN)).toEqual([
      { kind: "relayed", endpoint: endpointOf(RELAYED), ageS: 0 },
    ]);
    expect(world.client.candidatesFor(BEN)).toEqual([]);
    // Outside of its NAT first.
    expect(world.server.permitted).toEqual(["198.51.100.7", "192.168.1.2"]);
    expect(world.client.info()).toMatchObject([{ relayed: RELAYED, peers: 0, error: undefined }]);
  });

  it("has one allocation for all, and tells each once", async () => {
    const world = await start();
    for (const peer of [ANN, BEN]) world.client.heard(peer);
    for (let i = 0; i < 20; i++) for (const peer of [ANN, BEN]) world.client.want(peer);
    await vi.waitFor(() => expect(world.told.toSorted()).toEqual([ANN, BEN]));
    expect(world.server.asked.filter((one) => one === "Allocate")).toHaveLength(2);
    expect(world.server.permitted).toHaveLength(3);
  });

  it("gives the prober what comes by the relayed address, and WireGuard what comes from where a peer is", async () => {
    const world = await start();
    await allocated(world);
    world.server.fromPeer(AT, Buffer.from("a probe"));
    await vi.waitFor(() => expect(world.probes).toEqual([["a probe", AT, BY_TURN]]));
    expect(world.client.send(Buffer.from("an answer"), endpointOf(AT), BY_TURN)).toBe(true);
    expect(world.client.send(Buffer.from("another's"), endpointOf(AT), "192.0.2.9")).toBeUndefined();
    await vi.waitFor(() => expect(world.server.sent.at(-1)?.includes("an answer")).toBe(true));

    const path = await bound(world);
    expect(world.client.peerAt(path)).toBe(ANN);
    expect(world.client.peerAt({ ...path, port: path.port ^ 1 })).toBeUndefined();
    world.server.write(Buffer.concat([channelHead(0x4000, 4), Buffer.from("data")]));
    await vi.waitFor(() => expect(world.atWireguard).toEqual([["data", path.port]]));
    await vi.waitFor(() => {
      world.wireguard.send("sealed", path.port, path.address);
      expect(world.server.sent.at(-1)).toEqual(
        Buffer.concat([channelHead(0x4000, 6), Buffer.from("sealed"), Buffer.alloc(0)]),
      );
    });
    // Whoever else is on this host is not heard there.
    const stranger = createSocket("udp4");
    onTestFinished(() => void stranger.close());
    await new Promise<void>((done) => stranger.send("forged", path.port, path.address, () => done()));
    world.wireguard.send("last", path.port, path.address);
    await vi.waitFor(() => expect(world.server.sent.at(-1)?.includes("last")).toBe(true));
    expect(world.server.sent.some((bytes) => bytes.includes("forged"))).toBe(false);
  });

  it("follows a peer to where its last probe came from", async () => {
    const world = await start();
    const path = await bound(world);
    world.client.bind(ANN, endpointOf("198.51.100.7:5000"));
    await vi.waitFor(() => expect(world.server.channels.get("198.51.100.7:5000")).toBeDefined());
    world.server.fromPeer("198.51.100.7:5000", Buffer.from("here"));
    await vi.waitFor(() => expect(world.atWireguard).toEqual([["here", path.port]]));
    expect(world.ann.paths).toHaveLength(1);
    // Nobody is bound for whom no way is wanted.
    world.client.bind(BEN, endpointOf("198.51.100.8:1"));
    await new Promise(setImmediate);
    expect(world.ben.paths).toEqual([]);
  });

  it("takes the first server that lends an address, and says what the others do not do", async () => {
    const world = await start({ errors: { Allocate: 486 } }, { relayed: "192.0.2.2:50000" }, {});
    await allocated(world);
    expect(world.client.info()).toMatchObject([
      { relayed: undefined, error: "this user has as many allocations as it may" },
      { relayed: "192.0.2.2:50000", error: undefined },
      { relayed: undefined, error: undefined },
    ]);
    expect(world.client.server).toBe(`127.0.0.1:${world.servers[1]?.endpoint.port}`);
    expect(world.servers[2]?.asked).toEqual([]);
  });

  it("is sent on by one server to another (300)", async () => {
    const other = await FakeTurnServer.start({ relayed: "192.0.2.2:50000" });
    const world = await start({ alternate: formatEndpoint(other.endpoint) });
    await allocated(world);
    expect(world.client.candidatesFor(ANN)).toMatchObject([{ endpoint: endpointOf("192.0.2.2:50000") }]);
    expect(other.permitted).toEqual(["198.51.100.7", "192.168.1.2"]);
    expect(world.server.permitted).toEqual([]);
  });

  it("asks servers that refuse again after a while, and not each time that a way is wanted", async () => {
    const world = await start({ errors: { Allocate: 508 } });
    world.client.heard(ANN);
    world.client.want(ANN);
    await vi.waitFor(() => expect(world.client.info()[0]?.error).toContain("as many as it can"));
    const { length } = world.server.asked;
    for (let i = 0; i < 50; i++) world.client.want(ANN);
    await new Promise(setImmediate);
    expect(world.server.asked).toHaveLength(length);
    world.server.faults = {};
    // It looks by itself, each second.
    await vi.waitFor(() => expect(world.told).toEqual([ANN]), { timeout: 5000 });
  });

  it("closes its paths when the server knows nothing of them any more, and gets others", async () => {
    const world = await start();
    const path = await bound(world);
    world.server.faults = { errors: { Refresh: 437 }, relayed: "192.0.2.1:50001" };
    const now = performance.now.bind(performance);
    const later = vi.spyOn(performance, "now").mockImplementation(() => now() + 21_000);
    onTestFinished(() => later.mockRestore());
    await vi.waitFor(() => expect(world.ann.paths.at(-1)).toEqual([false, formatEndpoint(path)]), {
      timeout: 5000,
    });
    expect(world.client.peerAt(path)).toBeUndefined();
    await vi.waitFor(() => expect(world.told).toEqual([ANN, ANN]), { timeout: 5000 });
    expect(world.client.candidatesFor(ANN)).toMatchObject([{ endpoint: endpointOf("192.0.2.1:50001") }]);
  });

  it("gets another address after a move, without a word to the server that does not know the host any more", async () => {
    const world = await start();
    await bound(world);
    world.client.moved();
    expect(world.ann.paths.at(-1)?.[0]).toBe(false);
    await vi.waitFor(() => expect(world.told).toEqual([ANN, ANN]));
    expect(world.server.asked).not.toContain("free");
  });

  it("gives the address back when nobody needs it, and at the end", async () => {
    const world = await start();
    await bound(world);
    world.client.forget(ANN);
    expect(world.ann.paths.at(-1)?.[0]).toBe(false);
    await vi.waitFor(() => expect(world.server.asked.at(-1)).toBe("free"), { timeout: 5000 });
    expect(world.client.info()).toMatchObject([{ relayed: undefined, peers: 0 }]);

    const other = await start();
    await bound(other);
    await other.client.close();
    expect(other.server.asked.at(-1)).toBe("free");
    other.client.want(ANN);
    await new Promise(setImmediate);
    expect(other.server.asked.at(-1)).toBe("free");
  });
});
