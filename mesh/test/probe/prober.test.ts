import { randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Endpoint } from "../../src/ip/endpoint.js";
import type { Pair } from "../../src/pair.js";
import { Prober, type ProberEvents } from "../../src/probe/prober.js";
import type { View } from "../../src/probe/view.js";
import { type HostKeys, newHostKeys, pairBetween } from "../support/keys.js";
import { NOTHING_YET, ProbingHost } from "../support/probing-host.js";
import { perPacketMicroseconds } from "../support/timing.js";

const PROVEN: View = { isProven: true, isChosen: false, asksForHandshake: true };

describe("two probers over real sockets", () => {
  it.each(["127.0.0.1", "::1"])("probe each other at %s, and say what they see", async (address) => {
    await using a = await ProbingHost.start(7n);
    await using b = await ProbingHost.start(9n);
    a.meet(b);
    b.meet(a);
    b.view = PROVEN;
    expect(a.prober.send(b.name, b.endpoint(address), NOTHING_YET)).toBe(true);
    await a.until(() => a.answered.length > 0);
    expect(b.probed).toEqual([
      { peer: a.name, endpoint: a.endpoint(address), view: NOTHING_YET, local: undefined },
    ]);
    const [answer] = a.answered;
    expect(answer).toMatchObject({ peer: b.name, endpoint: b.endpoint(address), view: PROVEN });
    expect(answer?.seen).toEqual(a.endpoint(address));
    expect(answer?.roundTripMs).toBeGreaterThan(0);
    // Nobody is sent more than 40 bytes beyond what asked for it.
    expect(a.packets[0]?.bytes.length).toBeLessThanOrEqual((b.packets[0]?.bytes.length ?? 0) + 40);
  });

  it("leave from the local address that is wanted, and answer from where they were asked", async () => {
    await using a = await ProbingHost.start();
    await using b = await ProbingHost.start();
    a.meet(b);
    b.meet(a);
    await a.sockets.setLocalAddresses(["127.0.0.2", "127.0.0.3"]);
    await b.sockets.setLocalAddresses(["127.0.0.4"]);
    a.prober.send(b.name, b.endpoint("127.0.0.4"), NOTHING_YET, { local: "127.0.0.3" });
    await a.until(() => a.answered.length > 0);
    expect(b.probed[0]).toMatchObject({ endpoint: a.endpoint("127.0.0.3"), local: "127.0.0.4" });
    expect(a.answered[0]).toMatchObject({ local: "127.0.0.3", seen: a.endpoint("127.0.0.3") });
    await a.sockets.setLocalAddresses(["127.0.0.2"]);
    expect(a.sockets.localAddresses).toEqual(["127.0.0.2"]);
    expect(a.prober.send(b.name, b.endpoint(), NOTHING_YET, { local: "127.0.0.3" })).toBe(false);
  });

  it("make a probe as long as is wanted, and answer shortly", async () => {
    await using a = await ProbingHost.start();
    await using b = await ProbingHost.start();
    a.meet(b);
    b.meet(a);
    a.prober.send(b.name, b.endpoint(), NOTHING_YET, { bytes: 1280 });
    await a.until(() => a.answered.length > 0);
    expect(b.packets[0]?.bytes.length).toBe(1280);
    expect(a.packets[0]?.bytes.length).toBeLessThan(128);
  });

  it("tell each other something, sealed, and know that it has arrived", async () => {
    await using a = await ProbingHost.start();
    await using b = await ProbingHost.start();
    a.meet(b);
    b.meet(a);
    const text = randomBytes(1200);
    expect(await a.prober.tell(b.name, b.endpoint(), text)).toBe(true);
    expect(b.told).toEqual([text]);
    expect(Buffer.from(b.packets[0]?.bytes ?? []).includes(text.subarray(0, 16))).toBe(false);
    expect(await a.prober.tell(b.name, b.endpoint(), randomBytes(1261))).toBe(false);
  });

  it("end what is being told when they close", async () => {
    await using a = await ProbingHost.start();
    await using b = await ProbingHost.start();
    a.meet(b);
    const telling = a.prober.tell(b.name, b.endpoint(), randomBytes(10));
    a.prober.close();
    expect(await telling).toBe(false);
  });

  it("give nothing to strangers, nor to what was there before or comes back", async () => {
    await using a = await ProbingHost.start(3n);
    await using b = await ProbingHost.start();
    await using stranger = await ProbingHost.start();
    a.meet(b);
    b.meet(a);
    stranger.meet(b);
    a.prober.send(b.name, b.endpoint(), NOTHING_YET);
    await a.until(() => a.answered.length === 1);
    const probe = b.packets[0]?.bytes ?? new Uint8Array();
    const answer = a.packets[0]?.bytes ?? new Uint8Array();
    // A stranger's own; the peer's, recorded; the peer's, changed; to its sender; an answer that nobody waits for.
    stranger.prober.send(b.name, b.endpoint(), NOTHING_YET);
    stranger.sockets.send(probe, b.endpoint());
    const changed = Uint8Array.from(probe);
    changed[51] = (changed[51] ?? 0) + 1;
    stranger.sockets.send(changed, b.endpoint());
    await b.until(() => b.packets.length === 4);
    stranger.sockets.send(probe, a.endpoint());
    stranger.sockets.send(answer, a.endpoint());
    await a.until(() => a.packets.length === 3);
    // What follows is served: nothing of the above changed anything.
    a.prober.send(b.name, b.endpoint(), NOTHING_YET);
    await a.until(() => a.answered.length === 2);
    expect(b.probed).toHaveLength(2);
    expect(b.prober.drops).toEqual({ forged: 1, replayed: 1, limited: 0 });
    expect(stranger.packets).toEqual([]);
  });

  it("count what a socket cannot send, and go on", async () => {
    await using a = await ProbingHost.start();
    await using b = await ProbingHost.start();
    a.meet(b);
    b.meet(a);
    a.sockets.send(new Uint8Array(70_000), b.endpoint());
    a.sockets.send(new Uint8Array(8), { address: "255.255.255.255", family: 4, port: 9 });
    a.sockets.send(new Uint8Array(8), { address: "127.0.0.1", family: 4, port: 70_000 });
    a.prober.send(b.name, b.endpoint(), NOTHING_YET);
    await a.until(() => a.answered.length === 1);
    expect([...a.sockets.errors.keys()].sort()).toEqual(["EACCES", "EMSGSIZE", "ERR_SOCKET_BAD_PORT"]);
  });
});

/** A prober without sockets: what it sends is kept. */
function kept(own: HostKeys, events: Partial<ProberEvents> = {}, now: () => number = () => 0, boot = 1n) {
  const sent: { bytes: Uint8Array; remote: Endpoint }[] = [];
  const prober = new Prober({
    ownPublicKey: () => own.publicKey,
    boot: () => boot,
    now,
    sender: { send: (bytes, remote) => sent.push({ bytes, remote }) > 0 },
    events: {
      viewOf: () => NOTHING_YET,
      onAnswered: () => {},
      onProbed: () => {},
      onTold: () => {},
      ...events,
    },
  });
  return { prober, sent };
}

describe("a prober", () => {
  const [own, other] = [newHostKeys(), newHostKeys()];
  const pair: Pair = pairBetween(own, other);
  const here: Endpoint = { address: "192.0.2.1", family: 4, port: 51_820 };
  const there: Endpoint = { address: "198.51.100.1", family: 4, port: 51_820 };

  it("takes an answer only from where it asked, within 5 s, and once", () => {
    let now = 0;
    const answered: number[] = [];
    const { prober, sent } = kept(
      own,
      { onAnswered: ({ roundTripMs }) => answered.push(roundTripMs) },
      () => now,
    );
    const remote = kept(other);
    const name = prober.addPeer(other.publicKey, pair);
    remote.prober.addPeer(own.publicKey, pairBetween(other, own));
    const ask = (): Uint8Array => {
      prober.send(name, there, NOTHING_YET);
      remote.prober.receive(sent.at(-1)?.bytes ?? new Uint8Array(), here, undefined);
      return remote.sent.at(-1)?.bytes ?? new Uint8Array();
    };
    const answer = ask();
    prober.receive(answer, { ...there, port: 51_821 }, undefined);
    expect(answered).toEqual([]);
    now = 30;
    prober.receive(answer, there, undefined);
    prober.receive(answer, there, undefined);
    expect(answered).toEqual([30]);
    const late = ask();
    now = 5031;
    prober.receive(late, there, undefined);
    expect(answered).toEqual([30]);
  });

  it("takes nothing of an older start, whatever it remembers of the newer one", () => {
    const { prober, sent } = kept(own, {});
    prober.addPeer(other.publicKey, pair, 5n);
    for (const [boot, answers] of [
      [4n, 0],
      [5n, 1],
      [6n, 2],
      [5n, 2],
    ] as const) {
      const remote = kept(other, {}, () => 0, boot);
      remote.prober.send(remote.prober.addPeer(own.publicKey, pairBetween(other, own)), here, NOTHING_YET);
      prober.receive(remote.sent[0]?.bytes ?? new Uint8Array(), there, undefined);
      expect(sent).toHaveLength(answers);
    }
  });

  it("sends a peer's addresses no more than they can bear, however many it names", () => {
    let now = 0;
    const { prober, sent } = kept(own, {}, () => now);
    const name = prober.addPeer(other.publicKey, pair);
    for (; now < 10_000; now += 10) prober.send(name, there, NOTHING_YET);
    expect(sent.length).toBeLessThanOrEqual(32 + 160);
    const before = sent.length;
    for (let i = 0; now < 20_000; now += 5)
      prober.send(name, { ...there, address: `10.0.${i >> 8}.${i++ & 255}` }, NOTHING_YET);
    expect(sent.length - before).toBeLessThanOrEqual(128 + 640);
  });

  it("answers one address no more than it can bear", () => {
    const { prober, sent } = kept(own);
    const remote = kept(other);
    prober.addPeer(other.publicKey, pair);
    const name = remote.prober.addPeer(own.publicKey, pairBetween(other, own));
    for (let i = 0; i < 100; i++) remote.prober.send(name, { ...here, address: `10.0.0.${i}` }, NOTHING_YET);
    for (const { bytes } of remote.sent) prober.receive(bytes, there, undefined);
    expect(sent).toHaveLength(32);
    expect(prober.drops.limited).toBe(68);
  });

  it("answers one peer no more than it may ask, from however many addresses its probes seem to come", () => {
    const { prober, sent } = kept(own);
    let later = 0;
    const remote = kept(other, {}, () => (later += 1000));
    prober.addPeer(other.publicKey, pair);
    const name = remote.prober.addPeer(own.publicKey, pairBetween(other, own));
    for (let i = 0; i < 200; i++) remote.prober.send(name, here, NOTHING_YET);
    for (const [i, { bytes }] of remote.sent.entries())
      prober.receive(bytes, { ...there, address: `10.0.0.${i}` }, undefined);
    expect([remote.sent.length, sent.length]).toEqual([200, 128]);
  });

  it("forgets a peer", () => {
    const { prober, sent } = kept(own);
    const remote = kept(other);
    const name = prober.addPeer(other.publicKey, pair);
    remote.prober.send(remote.prober.addPeer(own.publicKey, pairBetween(other, own)), here, NOTHING_YET);
    prober.removePeer(name);
    expect(prober.receive(remote.sent[0]?.bytes ?? new Uint8Array(), there, undefined)).toBe(false);
    expect(prober.send(name, there, NOTHING_YET)).toBe(false);
    expect(sent).toEqual([]);
  });

  it("goes on where it was with a peer that comes back", () => {
    const { prober, sent } = kept(own);
    const remote = kept(other);
    const name = prober.addPeer(other.publicKey, pair);
    const probe = (): Uint8Array => {
      const ownName = remote.prober.addPeer(own.publicKey, pairBetween(other, own));
      remote.prober.send(ownName, here, NOTHING_YET);
      remote.prober.removePeer(ownName);
      return remote.sent.at(-1)?.bytes ?? new Uint8Array();
    };
    const first = probe();
    prober.receive(first, there, undefined);
    prober.removePeer(name);
    prober.addPeer(other.publicKey, pair);
    prober.receive(first, there, undefined);
    expect(sent).toHaveLength(1);
    prober.receive(probe(), there, undefined);
    expect(sent).toHaveLength(2);
  });

  it("does nothing but count, whatever a stranger makes of a peer's probe", () => {
    const remote = kept(other);
    const remoteName = remote.prober.addPeer(own.publicKey, pairBetween(other, own));
    const told: string[] = [];
    const note = (what: string) => (): void => void told.push(what);
    const { prober, sent } = kept(own, {
      onProbed: note("probed"),
      onAnswered: note("answered"),
      onTold: note("told"),
    });
    const name = prober.addPeer(other.publicKey, pair);
    void remote.prober.tell(remoteName, here, randomBytes(100));
    remote.prober.close();
    const probe = remote.sent[0]?.bytes ?? new Uint8Array();
    prober.send(name, there, NOTHING_YET);
    const asked = sent.pop()?.bytes ?? new Uint8Array();
    const answering = kept(other);
    answering.prober.addPeer(own.publicKey, pairBetween(other, own));
    answering.prober.receive(asked, here, undefined);
    const answer = answering.sent[0]?.bytes ?? new Uint8Array();
    const changes = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    const changed = fc
      .tuple(fc.constantFrom(probe, answer, asked), changes, fc.nat(3), fc.nat(8))
      .map(([bytes, at, cut, more]) => {
        const other = Uint8Array.from(bytes);
        for (const [place, by] of at) other[place % other.length] = (other[place % other.length] ?? 0) ^ by;
        return Buffer.concat([other.subarray(0, other.length - 4 * cut), new Uint8Array(more)]);
      })
      .filter((bytes) => [probe, answer, asked].every((one) => Buffer.compare(bytes, one) !== 0));
    fc.assert(
      fc.property(fc.oneof(changed, fc.uint8Array({ maxLength: 1500 })), (bytes) => {
        prober.receive(bytes, there, undefined);
        expect(told).toEqual([]);
        expect(sent).toEqual([]);
      }),
      { numRuns: 3000 },
    );
    // And unchanged they are what they were.
    prober.receive(probe, there, undefined);
    prober.receive(answer, there, undefined);
    expect(told).toEqual(["probed", "told", "answered"]);
  });

  it("never answers with more than 40 bytes beyond the request", () => {
    const remote = kept(other);
    const remoteName = remote.prober.addPeer(own.publicKey, pairBetween(other, own));
    const { prober, sent } = kept(own);
    prober.addPeer(other.publicKey, pair);
    const six: Endpoint = { address: "2001:db8::1", family: 6, port: 51_820 };
    for (const from of [there, six]) {
      remote.prober.send(remoteName, here, NOTHING_YET);
      const request = remote.sent.at(-1)?.bytes.length ?? 0;
      prober.receive(remote.sent.at(-1)?.bytes ?? new Uint8Array(), from, undefined);
      expect((sent.at(-1)?.bytes.length ?? 1e9) - request).toBeLessThanOrEqual(40);
    }
    expect(sent).toHaveLength(2);
  });

  it("refuses at little cost: what is foreign under 5 µs, what bears a stolen tag under 25 µs", () => {
    const { prober } = kept(own);
    const remote = kept(other);
    for (let i = 0; i < 50; i++) {
      const peer = newHostKeys();
      prober.addPeer(peer.publicKey, pairBetween(own, peer));
    }
    prober.addPeer(other.publicKey, pair);
    remote.prober.send(remote.prober.addPeer(own.publicKey, pairBetween(other, own)), here, NOTHING_YET);
    const probe = remote.sent[0]?.bytes ?? new Uint8Array();
    const foreign = Uint8Array.from(probe);
    foreign[30] = (foreign[30] ?? 0) ^ 1;
    const stolen = Uint8Array.from(probe);
    stolen[60] = (stolen[60] ?? 0) ^ 1;
    const answer = Uint8Array.from(probe);
    answer[0] = 1;
    for (const [bytes, most] of [
      [randomBytes(88), 5],
      [foreign, 5],
      [answer, 5],
      [stolen, 25],
    ] as const)
      expect(perPacketMicroseconds(() => prober.receive(bytes, there, undefined))).toBeLessThan(most);
  });
});
