import { createSocket, type Socket } from "node:dgram";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { DevicePeer, DeviceState } from "../src/device/state.js";
import { type Endpoint, formatEndpoint } from "../src/ip/endpoint.js";
import { Laziness, type LazyPeer } from "../src/laziness.js";
import { Mesh } from "../src/mesh.js";
import type { RestMessage } from "../src/rest-message.js";

const B = "B";
const IDLE_MS = 60_000;
const PING = 128;

/** A host that has one peer, and a WireGuard that shows what it is told. */
class LazyHost {
  /** WireGuard's own port. */
  readonly socket: Socket;
  readonly told: RestMessage[] = [];
  readonly errors: unknown[] = [];
  readonly laziness: Laziness;
  readonly peers = new Map<string, LazyPeer>();
  shown: DevicePeer;
  isReached = true;
  /** Whether the peer has what it is told. */
  isThere = true;
  rests = 0;
  reads = 0;
  failure: Error | undefined;
  isAsleep = false;

  constructor(socket: Socket) {
    this.socket = socket;
    this.shown = peerAt(undefined);
    const host = this;
    const peer: LazyPeer = {
      get isAsleep() {
        return host.isAsleep;
      },
      machine: { snapshot: () => ({ path: this.isReached ? "some path" : undefined }) },
      sleep: () => {
        this.isAsleep = true;
      },
      wake: () => {
        this.isAsleep = false;
      },
    };
    this.peers.set(B, peer);
    this.laziness = new Laziness({
      device: {
        state: this.state,
        read: async () => {
          this.reads++;
          return this.state;
        },
        rest: async (names: readonly string[], endpoint: Endpoint) => {
          this.rests++;
          if (this.failure !== undefined) throw this.failure;
          expect(names).toEqual([B]);
          this.shown = peerAt(formatEndpoint(endpoint));
          return this.state;
        },
      },
      peers: this.peers,
      idleMs: IDLE_MS,
      tell: async (_, message) => {
        this.told.push(message);
        return this.isThere;
      },
      getTime: Date.now,
      onState: (state) => this.laziness.look(state),
      onError: (error) => this.errors.push(error),
    });
  }

  get state(): DeviceState {
    const { port } = this.socket.address();
    const keys = { privateKey: undefined, publicKey: undefined };
    return { ...keys, name: "wg0", listenPort: port, fwmark: 0, peers: [this.shown] };
  }

  /** Time passes, and WireGuard shows more bytes. */
  look(afterMs = 0, bytes = 0): void {
    vi.advanceTimersByTime(afterMs);
    this.shown = { ...this.shown, sentBytes: this.shown.sentBytes + bytes };
    this.laziness.look(this.state);
  }

  /** What is about to be done is done. */
  async settled(): Promise<void> {
    await vi.waitFor(() => expect(this.shown.endpointText).toMatch(/^127\.0\.0\.1:/));
  }

  /** The peer has slept for a while. */
  async asleep(): Promise<void> {
    this.isAsleep = true;
    this.look();
    await this.settled();
    await vi.waitFor(() => expect(this.rests).toBe(1));
  }
}

function peerAt(endpointText: string | undefined): DevicePeer {
  return {
    ...{ publicKey: B, presharedKey: undefined, endpoint: undefined, endpointText, allowedIps: [] },
    ...{ lastHandshake: undefined, receivedBytes: 0, sentBytes: 0, keepaliveS: 0 },
  };
}

const hosts: LazyHost[] = [];

async function host(): Promise<LazyHost> {
  vi.useFakeTimers({ toFake: ["performance"] });
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  const made = new LazyHost(socket);
  hosts.push(made);
  return made;
}

afterEach(() => {
  vi.useRealTimers();
  for (const { laziness, socket } of hosts.splice(0)) {
    laziness.close();
    socket.close();
  }
});

describe("a peer that sleeps", () => {
  it("has a port of ours as its endpoint, and is woken by what WireGuard sends there", async () => {
    const a = await host();
    await a.asleep();
    a.look(IDLE_MS);
    expect(a.isAsleep).toBe(true);
    const port = Number(a.shown.endpointText?.split(":")[1]);
    // Somebody else on this host, who wakes nobody.
    const other = createSocket("udp4");
    await new Promise<void>((resolve) => other.send("x", port, "127.0.0.1", () => other.close(resolve)));
    a.shown = { ...a.shown, sentBytes: 148 };
    a.socket.send("an initiation", port, "127.0.0.1");
    await vi.waitFor(() => expect(a.isAsleep).toBe(false));
    expect(a.reads).toBe(1);
  });

  it("costs no more than ten looks a second, however often WireGuard knocks, and none is missed", async () => {
    const a = await host();
    vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout"] });
    await a.asleep();
    const port = Number(a.shown.endpointText?.split(":")[1]);
    const knock = async (): Promise<void> => {
      await new Promise<void>((resolve) =>
        a.socket.send("an initiation", port, "127.0.0.1", () => resolve()),
      );
      // As long as a datagram takes on the loopback.
      for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
    };
    for (let i = 0; i < 20; i++) await knock();
    expect(a.reads).toBe(1);
    a.shown = { ...a.shown, sentBytes: 148 };
    await knock();
    expect(a.isAsleep).toBe(true);
    await vi.advanceTimersByTimeAsync(100);
    expect([a.reads, a.isAsleep]).toEqual([2, false]);
  });

  it("is woken when WireGuard has heard from it, or somebody gave it another endpoint", async () => {
    for (const change of [{ receivedBytes: 148 }, { endpointText: "203.0.113.9:1" }]) {
      const a = await host();
      await a.asleep();
      a.shown = { ...a.shown, ...change };
      a.look();
      expect(a.isAsleep).toBe(false);
    }
  });

  it("rests again when its interface was made anew", async () => {
    const a = await host();
    await a.asleep();
    a.shown = peerAt(undefined);
    a.look();
    await a.settled();
    expect([a.rests, a.isAsleep]).toEqual([2, true]);
  });

  it("is tried again when WireGuard could not be told", async () => {
    const a = await host();
    a.failure = new Error("no wg");
    a.isAsleep = true;
    a.look();
    await vi.waitFor(() => expect(a.errors).toEqual([a.failure]));
    a.failure = undefined;
    a.look();
    await a.settled();
    expect(a.isAsleep).toBe(true);
  });
});

it("a host that needs a relay wakes eight peers for it at most, and each once", async () => {
  const { laziness, peers } = await host();
  const woken: string[] = [];
  const others = Array.from({ length: 20 }, (_, i) => `peer ${i}`);
  for (const name of others)
    peers.set(name, {
      ...{ isAsleep: name !== "peer 0", machine: { snapshot: () => ({ path: undefined }) } },
      ...{ sleep: () => {}, wake: () => woken.push(name) },
    });
  for (let i = 0; i < 3; i++) laziness.seekRelay();
  expect(woken).toEqual(others.slice(1, 9));
});

it("a relay is not lazy, and says so before anything is changed", async () => {
  const opening = Mesh.open({ interface: "wg0", relay: true, lazy: true });
  await expect(opening).rejects.toMatchObject({
    code: "INVALID_OPTION",
    message: expect.stringContaining("a relay has to be there"),
  });
});

describe("a tunnel that is not used", () => {
  it("ends at once where there is no path", async () => {
    const a = await host();
    a.isReached = false;
    a.look();
    a.look(IDLE_MS - 1);
    expect(a.isAsleep).toBe(false);
    a.look(1);
    expect(a.isAsleep).toBe(true);
    await a.settled();
    expect(a.told).toEqual([]);
  });

  it("ends when the peer agrees, who is asked now and then", async () => {
    const a = await host();
    a.look();
    a.look(IDLE_MS);
    a.look(IDLE_MS - 1);
    expect(a.told).toEqual(["ask"]);
    a.look(1);
    expect(a.told).toEqual(["ask", "ask"]);
    expect(a.isAsleep).toBe(false);
    await a.laziness.hear(B, "agree");
    expect(a.isAsleep).toBe(true);
    await a.settled();
  });

  it("ends when the peer asks, and knows that we agree", async () => {
    const a = await host();
    a.look();
    a.look(0.95 * IDLE_MS);
    a.isThere = false;
    await a.laziness.hear(B, "ask");
    expect(a.isAsleep).toBe(false);
    a.isThere = true;
    await a.laziness.hear(B, "ask");
    expect([a.told, a.isAsleep]).toEqual([["agree", "agree"], true]);
  });

  it("stays while it is used, whatever the peer says", async () => {
    const a = await host();
    a.look();
    for (let i = 0; i < 10; i++) {
      a.look(IDLE_MS / 2, PING);
      await a.laziness.hear(B, "ask");
      await a.laziness.hear(B, "agree");
    }
    expect([a.told, a.isAsleep]).toEqual([[], false]);
  });

  it("stays while a router carries what is for the peer", async () => {
    const a = await host();
    a.isReached = false;
    a.shown = { ...a.shown, withheld: [] };
    a.look();
    a.look(10 * IDLE_MS);
    expect(a.isAsleep).toBe(false);
  });

  it("is not ended for what we say in it ourselves, nor kept", async () => {
    const a = await host();
    a.isReached = false;
    a.look();
    a.laziness.pass(B, "sent", 8);
    a.look(IDLE_MS, 96);
    expect(a.isAsleep).toBe(true);
  });
});

it("a peer begins awake only with a session that may be in use", async () => {
  const { laziness } = await host();
  const handshakeAgo = (s: number) => ({ ...peerAt(undefined), lastHandshake: Date.now() / 1000 - s });
  expect(laziness.beginsAsleep(peerAt(undefined))).toBe(true);
  expect(laziness.beginsAsleep(handshakeAgo(200))).toBe(true);
  expect(laziness.beginsAsleep(handshakeAgo(100))).toBe(false);
});
