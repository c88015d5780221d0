import { createSocket } from "node:dgram";
import { once } from "node:events";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import type { Candidate } from "../../src/candidates/candidate.js";
import { parseLinks } from "../../src/device/network.js";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { withSource } from "../../src/lan/lan-candidate.js";
import { LanDiscovery } from "../../src/lan/lan-discovery.js";
import { lanKeysOf, lanTag } from "../../src/lan/lan-keys.js";
import {
  decodeDatagram,
  encodeDatagrams,
  epochAt,
  openRecord,
  sealRecord,
} from "../../src/lan/lan-message.js";
import { LAN_GROUP, lanPlaces } from "../../src/lan/lan-places.js";
import { LanTags, MAX_LAN_PEERS } from "../../src/lan/lan-tags.js";
import { encodeAnnounce } from "../../src/signal/announce.js";
import { type HostKeys, newHostKeys, pairBetween } from "../support/keys.js";
import { perPacketMicroseconds } from "../support/timing.js";

const link = (name: string, ...addresses: readonly (readonly [string, number])[]): object => ({
  ...{ ifindex: 1, ifname: name, flags: ["UP"], mtu: 1500, operstate: "UP" },
  addr_info: addresses.map(([local, prefixlen]) => ({ local, prefixlen, scope: "global" })),
});
const LOOPBACK = parseLinks(JSON.stringify([link("lo", ["127.0.0.1", 8])]));

const candidate = (text: string, kind: Candidate["kind"] = "host"): Candidate => {
  const endpoint = parseEndpoint(text);
  if (endpoint === undefined) throw new Error(text);
  return { kind, endpoint, ageS: 0 };
};

function announceOf(counter: number, count = 3): Uint8Array {
  const candidates = Array.from({ length: count }, (_, i) => candidate(`192.168.1.${i + 1}:51820`));
  return encodeAnnounce({
    ...{ boot: 7n, counter, seenBoot: 0n, seenCounter: 0, nat: "stable", isRelay: false, candidates },
  });
}

const keysOf = (own: HostKeys, remote: HostKeys): ReturnType<typeof lanKeysOf> =>
  lanKeysOf(pairBetween(own, remote), own.publicKey, remote.publicKey);

describe("a record", () => {
  const [a, b, c] = [newHostKeys(), newHostKeys(), newHostKeys()];
  const [ab, ba, ac] = [keysOf(a, b), keysOf(b, a), keysOf(a, c)];

  it("is opened by the one whom it is for, as it was", () => {
    fc.assert(
      fc.property(fc.nat(16), fc.nat(0xffff_ffff), (count, epoch) => {
        const announce = announceOf(1, count);
        const [bytes = new Uint8Array()] = encodeDatagrams(epoch, [sealRecord(ab, epoch, announce)]);
        const datagram = decodeDatagram(bytes);
        const [record] = datagram?.records ?? [];
        if (datagram === undefined || record === undefined) throw new Error("no record");
        expect(record.tag).toBe(Buffer.from(lanTag(ba, false, datagram.epoch)).toString("hex"));
        expect(Buffer.from(openRecord(ba, record.sealed) ?? [])).toEqual(Buffer.from(announce));
        // Not by a third, and not by its sender.
        expect(openRecord(ac, record.sealed)).toBeUndefined();
        expect(openRecord(ab, record.sealed)).toBeUndefined();
      }),
      { numRuns: 100 },
    );
  });

  it("has a tag that is another one in each epoch and direction", () => {
    const tags = [1, 2].flatMap((epoch) => [lanTag(ab, true, epoch), lanTag(ab, false, epoch)]);
    expect(new Set(tags.map((tag) => Buffer.from(tag).toString("hex"))).size).toBe(4);
  });

  it("of which one bit is another is none", () => {
    const [bytes = new Uint8Array()] = encodeDatagrams(5, [sealRecord(ab, 5, announceOf(1))]);
    for (let bit = 0; bit < bytes.length * 8; bit += 3) {
      const changed = Uint8Array.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      const datagram = decodeDatagram(changed);
      const tag = Buffer.from(lanTag(ba, false, datagram?.epoch ?? 0)).toString("hex");
      for (const record of datagram?.records ?? [])
        if (record.tag === tag) expect(openRecord(ba, record.sealed)).toBeUndefined();
    }
  });

  it("whatever the bytes are, nothing throws, and no datagram is read beyond its end", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1500 }), fc.boolean(), (bytes, isOurs) => {
        if (isOurs) bytes[0] = 1;
        const { records = [] } = decodeDatagram(bytes) ?? {};
        let length = 5;
        for (const { sealed } of records) {
          length += 10 + sealed.length;
          expect(openRecord(ba, sealed)).toBeUndefined();
        }
        if (records.length > 0) expect(length).toBe(bytes.length);
      }),
      { numRuns: 2000 },
    );
  });

  it("costs a host nothing when it is nobody's", () => {
    const tags = new LanTags();
    for (let i = 0; i < 200; i++) tags.add(`${i}`, { ...keysOf(a, newHostKeys()) });
    const records = Array.from({ length: 6 }, () => sealRecord(ac, 5, announceOf(1)));
    const [bytes = new Uint8Array()] = encodeDatagrams(5, records);
    const look = (): void => {
      for (const { tag } of decodeDatagram(bytes)?.records ?? []) tags.find(tag, 5, 5, 0);
    };
    expect(perPacketMicroseconds(look)).toBeLessThan(100);
  });
});

describe("tags", () => {
  it("are made for the own epoch and its neighbours at any time, for others 6 times and one more in 10 s", () => {
    const [own, peer] = [newHostKeys(), newHostKeys()];
    const tags = new LanTags();
    const keys = keysOf(peer, own);
    tags.add("peer", keysOf(own, peer));
    const find = (epoch: number, now: number): string | undefined =>
      tags.find(Buffer.from(lanTag(keys, true, epoch)).toString("hex"), epoch, 1000, now);
    for (let i = 0; i < 100; i++) for (const epoch of [999, 1000, 1001]) expect(find(epoch, 0)).toBe("peer");
    const found = Array.from({ length: 20 }, (_, i) => find(5000 + i, 0));
    expect(found.filter(Boolean)).toHaveLength(6);
    expect(find(1000, 0)).toBe("peer");
    expect(find(6000, 9000)).toBeUndefined();
    expect(find(6000, 10_100)).toBe("peer");
    tags.remove("peer");
    expect(find(1000, 20_000)).toBeUndefined();
  });

  it("are those of 1024 peers at the most", () => {
    const keys = keysOf(newHostKeys(), newHostKeys());
    const tags = new LanTags();
    for (let i = 0; i < MAX_LAN_PEERS + 10; i++) tags.add(`${i}`, keys);
    expect(tags.peers.size).toBe(MAX_LAN_PEERS);
    // The fastest of a few, as others use the same processors. Each has an epoch of its own, whose tags are made anew.
    const times = [1, 2, 3, 4, 5].map((epoch) => {
      const before = performance.now();
      tags.find("", epoch, epoch, 0);
      return performance.now() - before;
    });
    expect(Math.min(...times)).toBeLessThan(50);
  });
});

describe("the source of an announce", () => {
  const announced = [candidate("198.51.100.7:4444", "reflexive"), candidate("10.1.1.1:51999")];
  it("is one more candidate, the last, with WireGuard's port", () => {
    expect(withSource(announced, "192.168.1.9")).toEqual([...announced, candidate("192.168.1.9:51999")]);
  });

  it.each(["10.1.1.1", "127.0.0.1", "0.0.0.0", "224.0.0.1", "fe80::1", "x", ""])(
    "is none more: %s",
    (from) => {
      expect(withSource(announced, from)).toEqual(announced);
    },
  );

  it("is never the only one", () => {
    expect(withSource([], "192.168.1.9")).toEqual([]);
  });
});

it("is said where all on the own LANs hear it", () => {
  const links = parseLinks(
    JSON.stringify([
      link("eth0", ["192.168.5.7", 20], ["2001:db8::7", 64], ["10.0.0.1", 32]),
      link("tun0", ["10.8.0.1", 31], ["2001:db8::8", 128]),
      link("wg0", ["10.9.0.1", 24]),
    ]),
  );
  const own = ["192.168.5.7", "2001:db8::7", "10.0.0.1", "10.8.0.1", "2001:db8::8"];
  expect(lanPlaces(links, own).map(({ own: from, everybody }) => [from, everybody])).toEqual([
    ["192.168.5.7", "192.168.15.255"],
    ["2001:db8::7", `${LAN_GROUP}%eth0`],
  ]);
});

describe("on a LAN", () => {
  const open: { close(): Promise<void> }[] = [];
  afterEach(async () => {
    for (const one of open.splice(0)) await one.close();
  });

  /** A UDP port that nobody has. */
  async function freePort(): Promise<number> {
    const socket = createSocket("udp4");
    await once(socket.bind(0), "listening");
    const { port } = socket.address();
    await new Promise<void>((done) => socket.close(done));
    return port;
  }

  interface Heard {
    readonly name: string;
    readonly bytes: Uint8Array;
    readonly from: string;
  }

  /** A host on loopback, which has peers. */
  function start(
    port: number,
    own: HostKeys,
    peers: readonly HostKeys[],
    { wantsAnswer = false, time = Date.now() }: { wantsAnswer?: boolean; time?: number } = {},
  ): { lan: LanDiscovery; heard: Heard[] } {
    const heard: Heard[] = [];
    let counter = 0;
    const lan = new LanDiscovery({
      announceFor: () => announceOf(++counter),
      onAnnounce: (name, bytes, from) => {
        heard.push({ name, bytes, from });
        return wantsAnswer && heard.length === 1;
      },
      isReached: () => true,
      isAsleep: () => false,
      getTime: () => time,
      port,
    });
    open.push(lan);
    for (const [i, peer] of peers.entries())
      lan.addPeer(`${i}`, pairBetween(own, peer), own.publicKey, peer.publicKey);
    return { lan, heard };
  }

  it("peers hear each other, whatever their clocks are, and strangers nothing", async () => {
    const port = await freePort();
    const [a, b, c] = [newHostKeys(), newHostKeys(), newHostKeys()];
    const one = start(port, a, [newHostKeys(), b]);
    // Its battery is empty: it is 1970.
    const other = start(port, b, [a], { time: 1000 });
    const stranger = start(port, c, [newHostKeys()]);
    for (const { lan } of [stranger, one, other]) await lan.look(LOOPBACK, ["127.0.0.1"]);
    await expect.poll(() => [one.heard.length > 0, other.heard.length > 0]).toEqual([true, true]);
    expect(one.heard[0]).toMatchObject({ name: "1", from: "127.0.0.1" });
    expect(other.heard[0]).toMatchObject({ name: "0", from: "127.0.0.1" });
    expect(other.heard[0]?.bytes.length).toBe(512);
    expect(stranger.heard).toEqual([]);
  });

  it("a newcomer is answered at once, and alone", async () => {
    const port = await freePort();
    const [a, b] = [newHostKeys(), newHostKeys()];
    const one = start(port, a, [b, newHostKeys()], { wantsAnswer: true });
    await one.lan.look(LOOPBACK, ["127.0.0.1"]);
    // What comes to the newcomer's own socket is an answer; it does not listen to all.
    const socket = createSocket("udp4");
    open.push({ close: async () => await new Promise<void>((done) => socket.close(() => done())) });
    await once(socket.bind(0, "127.0.0.1"), "listening");
    const answered = once(socket, "message");
    const epoch = epochAt(Date.now());
    const [hello = new Uint8Array()] = encodeDatagrams(epoch, [
      sealRecord(keysOf(b, a), epoch, announceOf(1)),
    ]);
    socket.send(hello, port, "127.0.0.1");
    const [answer] = (await answered) as [Buffer];
    const { records = [] } = decodeDatagram(answer) ?? {};
    expect(records).toHaveLength(1);
    expect(openRecord(keysOf(b, a), records[0]?.sealed ?? new Uint8Array())?.length).toBe(512);
  });

  it("200 peers are told in some 40 datagrams, and what is repeated 100 times is opened 20 times", async () => {
    const port = await freePort();
    const a = newHostKeys();
    const peers = Array.from({ length: 200 }, newHostKeys);
    const listener = createSocket({ type: "udp4", reuseAddr: true });
    open.push({ close: async () => await new Promise<void>((done) => listener.close(() => done())) });
    const datagrams: Buffer[] = [];
    listener.on("message", (bytes) => datagrams.push(bytes));
    await once(listener.bind(port), "listening");
    listener.setBroadcast(true);
    const last = peers.at(-1);
    if (last === undefined) throw new Error("no peer");
    const other = start(port, last, [a]);
    await other.lan.look(LOOPBACK, ["127.0.0.1"]);
    const one = start(port, a, peers);
    await one.lan.look(LOOPBACK, ["127.0.0.1"]);
    await expect.poll(() => other.heard.length, { timeout: 4000 }).toBe(2);
    await one.lan.close();
    const ofOne = datagrams.filter((bytes) => (decodeDatagram(bytes)?.records.length ?? 0) > 1);
    const bytes = ofOne.reduce((sum, one) => sum + one.length, 0);
    // Of two rounds.
    expect(ofOne.length).toBeLessThan(90);
    expect(bytes).toBeLessThan(80_000);
    for (const datagram of ofOne) expect(datagram.length).toBeLessThanOrEqual(1232);

    const mine = ofOne.at(-1) ?? Buffer.alloc(0);
    const [before, all] = [other.heard.length, datagrams.length];
    for (let i = 0; i < 100; i++)
      await new Promise((sent) => listener.send(mine, port, "127.255.255.255", sent));
    await expect.poll(() => datagrams.length).toBeGreaterThanOrEqual(all + 100);
    // 20, and two more for each second.
    expect(other.heard.length - before).toBeGreaterThan(0);
    expect(other.heard.length - before).toBeLessThan(40);
  });
});
