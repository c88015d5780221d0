import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Endpoint, parseEndpoint } from "../../src/ip/endpoint.js";
import { MAX_SESSIONS, MAX_SESSIONS_OF_PEER } from "../../src/relay/limits.js";
import type { Refusal } from "../../src/relay/message.js";
import { RelayServer } from "../../src/relay/relay-server.js";
import { FakeRelayPeer, keyOf, Told } from "../support/relay-peers.js";

const [A, B, C] = [keyOf("a"), keyOf("b"), keyOf("c")];

/** A member's end: a socket on a loopback address, and the texts that it got. */
class End {
  readonly got: string[] = [];
  readonly socket: Socket = createSocket("udp4");
  constructor() {
    this.socket.on("message", (bytes) => this.got.push(bytes.toString()));
  }

  async open(address: string): Promise<Endpoint> {
    this.socket.bind(0, address);
    await once(this.socket, "listening");
    return { address, family: 4, port: this.socket.address().port };
  }

  async send(text: string | Uint8Array, { address, port }: Endpoint): Promise<void> {
    await new Promise<void>((done) => this.socket.send(text, port, address, () => done()));
  }

  async until(text: string): Promise<void> {
    while (!this.got.includes(text)) await once(this.socket, "message");
  }
}

/** What looks like a probe: it has STUN's cookie. */
const probe = (text: string): Uint8Array =>
  Buffer.concat([Buffer.from("000100002112a442", "hex"), Buffer.from(text.padEnd(20))]);

describe("a relay", () => {
  let told: Told;
  let peers: Map<string, FakeRelayPeer>;
  let server: RelayServer;
  let isOn: boolean;
  let mayRelay: boolean;
  let overlay: string[];
  const taken: string[] = [];
  const ends: End[] = [];

  beforeEach(() => {
    told = new Told();
    isOn = true;
    mayRelay = true;
    overlay = ["127.0.0.3"];
    taken.length = 0;
    peers = new Map([
      [A, new FakeRelayPeer("direct", "127.0.0.1/32")],
      [B, new FakeRelayPeer("direct", "127.0.0.2/32")],
      [C, new FakeRelayPeer("direct", "fd00::3/128")],
    ]);
    server = new RelayServer({
      own: () => keyOf("relay"),
      mayRelay: () => mayRelay,
      get isOn() {
        return isOn;
      },
      peers,
      tell: told.tell,
      overlay: () => overlay,
      receive: (bytes, _remote, local) => {
        if (!Buffer.from(bytes).includes("mine")) return false;
        taken.push(local);
        return true;
      },
      getTime: () => 5,
    });
  });

  afterEach(() => {
    server.close();
    for (const { socket } of ends.splice(0)) socket.close();
  });

  function end(): End {
    const made = new End();
    ends.push(made);
    return made;
  }

  /** Asks for a place, and says what both were told of it. */
  async function allocate(): Promise<{ id: bigint; endpoint: Endpoint; local: string }> {
    await server.request(A, B);
    const [one, other] = told.take();
    if (one?.type !== "allocated" || other?.type !== "allocated") throw new Error("there is no place");
    expect([one.to, one.peer, other.to, other.peer]).toEqual([A, B, B, A]);
    expect([other.id, other.endpoint]).toEqual([one.id, one.endpoint]);
    const { id, endpoint } = one;
    return { id, endpoint, local: `relay ${endpoint.port} ${endpoint.address}` };
  }

  it("passes datagrams between the two once both are there, and nobody else's", async () => {
    const { id, endpoint, local } = await allocate();
    const [a, b, stranger] = [end(), end(), end()];
    const [atA, atB] = [await a.open("127.0.0.1"), await b.open("127.0.0.2")];
    await stranger.open("127.0.0.1");
    server.bind(A, id, atA, local);
    await a.send("early", endpoint);
    await b.send("not bound", endpoint);
    // It was read after those.
    await b.send(probe("mine"), endpoint);
    await expect.poll(() => taken).toHaveLength(1);
    expect(server.sessions()).toMatchObject([{ isOpen: false, packets: 0 }]);
    server.bind(B, id, atB, local);
    await stranger.send("a stranger's", endpoint);
    await a.send("there", endpoint);
    await b.until("there");
    await b.send("and back", endpoint);
    await a.until("and back");
    expect([a.got, b.got, stranger.got]).toEqual([["and back"], ["there"], []]);
    expect(server.sessions()).toEqual([
      {
        peers: [A, B].sort(),
        endpoint: `127.0.0.3:${endpoint.port}`,
        since: 5,
        isOpen: true,
        packets: 2,
        bytes: 13,
        dropped: 0,
      },
    ]);
  });

  it("keeps probes that are its own, and answers them from the place", async () => {
    const { id, endpoint, local } = await allocate();
    const [a, b] = [end(), end()];
    const [atA, atB] = [await a.open("127.0.0.1"), await b.open("127.0.0.2")];
    server.bind(A, id, atA, local);
    server.bind(B, id, atB, local);
    await a.send(probe("mine"), endpoint);
    await a.send(probe("the other's"), endpoint);
    await a.send("last", endpoint);
    await b.until("last");
    expect(b.got).toHaveLength(2);
    expect(taken).toEqual([local]);
    expect(server.send(Buffer.from("answer"), atA, local)).toBe(true);
    await a.until("answer");
    expect(server.send(Buffer.from("x"), atA, undefined)).toBeUndefined();
    expect(server.send(Buffer.from("x"), atA, "127.0.0.1")).toBeUndefined();
    expect(server.send(Buffer.from("x"), atA, "relay 1 127.0.0.3")).toBe(false);
  });

  it("binds nobody who is not of the pair, not at his own address, or not at the place", async () => {
    const { id, local } = await allocate();
    const at = (text: string): Endpoint => parseEndpoint(text) ?? { address: "", family: 4, port: 0 };
    server.bind(A, id, at("127.0.0.1:5"), local);
    server.bind(C, id, at("127.0.0.2:5"), local);
    server.bind(B, id + 1n, at("127.0.0.2:5"), local);
    server.bind(B, id, at("127.0.0.1:5"), local);
    server.bind(B, id, at("203.0.113.9:5"), local);
    server.bind(B, id, at("127.0.0.2:5"), undefined);
    server.bind(B, id, at("127.0.0.2:5"), "relay 1 127.0.0.3");
    expect(server.sessions()).toMatchObject([{ isOpen: false }]);
    server.bind(B, id, at("127.0.0.2:5"), local);
    expect(server.sessions()).toMatchObject([{ isOpen: true }]);
  });

  it("has one place for a pair, whoever asks, and however often", async () => {
    const first = await allocate();
    await Promise.all([server.request(B, A), server.request(A, B)]);
    const all = told.take();
    expect(all).toHaveLength(4);
    for (const message of all) expect(message).toMatchObject({ type: "allocated", id: first.id });
    expect(server.sessions()).toHaveLength(1);
  });

  const refusals: readonly (readonly [reason: Refusal, prepare: () => void, to: string])[] = [
    [
      "off",
      () => {
        isOn = false;
      },
      B,
    ],
    ["no-peer", () => {}, keyOf("nobody")],
    ["no-peer", () => {}, A],
    ["no-address", () => {}, C],
    [
      "failed",
      () => {
        overlay = ["192.0.2.77"];
      },
      B,
    ],
  ];
  it.each(refusals)("refuses: %s", async (reason, prepare, to) => {
    prepare();
    await server.request(A, to);
    expect(told.take()).toMatchObject([{ type: "refused", to: A, peer: to, reason }]);
  });

  it("refuses what would be a relay behind a relay, and says when it no longer would", async () => {
    const b = peers.get(B);
    if (b === undefined) throw new Error("no peer");
    b.state = "relayed";
    await server.request(A, B);
    expect(told.take()).toMatchObject([{ type: "refused", reason: "no-path" }]);
    b.state = "direct";
    server.peerChanged(B);
    await expect
      .poll(() => told.messages)
      .toMatchObject([
        { type: "allocated", to: A },
        { type: "allocated", to: B },
      ]);
    told.take();
    b.state = "relayed";
    server.peerChanged(B);
    expect(told.take()).toMatchObject([
      { type: "released", to: [A, B].sort()[0] },
      { type: "released", to: [A, B].sort()[1] },
    ]);
    expect(server.sessions()).toEqual([]);
  });

  it("relays for so many pairs, and for so many requests of one peer", async () => {
    for (let i = 0; i <= MAX_SESSIONS; i++)
      for (const side of ["x", "y"])
        peers.set(keyOf(`${side}${i}`), new FakeRelayPeer("direct", `127.1.0.${i}/32`));
    for (let i = 0; i <= MAX_SESSIONS; i++) await server.request(keyOf(`x${i}`), keyOf(`y${i}`));
    expect(told.take().at(-1)).toMatchObject({ type: "refused", reason: "full" });
    expect(server.sessions()).toHaveLength(MAX_SESSIONS);
    await server.request(keyOf("x0"), keyOf("y0"));
    expect(told.take()).toHaveLength(2);
    for (let i = 0; i < 100; i++) await server.request(A, B);
    expect(told.take().length).toBeLessThan(20);
  });

  it("gives no peer all its places, however many it asks for", async () => {
    for (let i = 0; i <= MAX_SESSIONS_OF_PEER; i++)
      peers.set(keyOf(`y${i}`), new FakeRelayPeer("direct", `127.1.0.${i}/32`));
    for (let i = 0; i < MAX_SESSIONS_OF_PEER; i++) await server.request(keyOf(`y${i}`), A);
    told.take();
    const one = keyOf(`y${MAX_SESSIONS_OF_PEER}`);
    await server.request(A, one);
    expect(told.take()).toMatchObject([{ type: "refused", to: A, reason: "full" }]);
    // Who has few gets one, also with A; and A gets again what it has.
    await server.request(one, A);
    await server.request(A, keyOf("y0"));
    expect(told.take()).toHaveLength(4);
  });

  it("gives up a place when one of the two does, and all at the end", async () => {
    const { id } = await allocate();
    server.release(C, B, id);
    server.release(A, B, id + 1n);
    expect(server.sessions()).toHaveLength(1);
    server.release(A, B, id);
    expect(told.take()).toMatchObject([{ type: "released", to: B, peer: A, id }]);
    await allocate();
    server.close();
    expect(told.take()).toHaveLength(2);
    await server.request(A, B);
    expect(told.take()).toEqual([]);
  });

  it("ends what it does when the network forbids it, and says why", async () => {
    await allocate();
    told.take();
    server.changed();
    expect([server.sessions()?.length, server.trouble]).toEqual([1, undefined]);
    mayRelay = false;
    server.changed();
    expect(told.take()).toMatchObject([{ type: "released" }, { type: "released" }]);
    expect([server.sessions(), server.trouble]).toEqual([undefined, expect.stringContaining("an admin")]);
    await server.request(A, B);
    expect(told.take()).toMatchObject([{ type: "refused", reason: "off" }]);
    // Nobody misses what its owner does not want.
    isOn = false;
    expect(server.trouble).toBeUndefined();
  });

  it("says nothing of relaying where it does not", () => {
    isOn = false;
    expect(server.sessions()).toBeUndefined();
  });
});
