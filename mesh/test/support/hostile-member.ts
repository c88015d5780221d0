/**
 * A member that does what it can to harm the others: it has a WireGuard key that they have as a peer, and says with it
 * whatever it likes. Arguments: a JSON object of {@link HostileMember}. Reads the names of attacks, a line each with how
 * long it lasts, ms, and how often a second; writes `sent PACKETS BYTES by NAME, attack COUNT` at the end of each.
 */
import { randomBytes, randomInt } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { Keypair, Router } from "sidewire";
import type { Endpoint } from "../../src/ip/endpoint.js";
import { writeStatements, writeSummary } from "../../src/membership/sync-message.js";
import { pairOf } from "../../src/pair.js";
import { probeKeysOf } from "../../src/probe/probe-keys.js";
import { writeProbe } from "../../src/probe/probe-message.js";
import { Prober } from "../../src/probe/prober.js";
import { seal } from "../../src/probe/sealed.js";
import { decodeRelayMessage, encodeRelayMessage } from "../../src/relay/message.js";
import { Roster } from "../../src/roster/roster.js";
import { SigningKey } from "../../src/roster/signing-key.js";
import { encodeAnnounce } from "../../src/signal/announce.js";
import { parseKey, publicKeyOf } from "../../src/wireguard-key.js";

export interface HostileMember {
  /** base64, as all keys. */
  readonly privateKey: string;
  /** Where it sends from, and to whom. */
  readonly address: string;
  readonly port: number;
  readonly peers: readonly { readonly publicKey: string; readonly address: string; readonly port: number }[];
  /** IPv4 addresses that it names as its own. */
  readonly named: readonly string[];
  /** The network's id, hexadecimal, where there is one. */
  readonly network?: string;
  /** Of a broker. */
  readonly broker: string;
}

const config: HostileMember = JSON.parse(process.argv[2] ?? "");
const privateKey = parseKey(config.privateKey);
const own = publicKeyOf(privateKey);
const network = config.network === undefined ? randomBytes(16) : Buffer.from(config.network, "hex");
const boot = BigInt(Date.now()) + 1_000_000n;
const view = { isProven: true, isChosen: false, asksForHandshake: true };
const allocated: { readonly id: bigint; readonly endpoint: Endpoint }[] = [];

const socket = createSocket({ type: "udp4", sendBufferSize: 1 << 20 });
socket.on("error", () => {});
socket.bind(config.port, config.address);
await once(socket, "listening");

const peers = config.peers.map((peer) => {
  const remote = parseKey(peer.publicKey);
  const pair = pairOf(privateKey, remote);
  return { ...peer, remote, pair, keys: probeKeysOf(pair, own, remote), counter: 0, announced: 0 };
});
type Peer = (typeof peers)[number];

/** It answers probes as anybody, so that it counts as reached. */
const prober = new Prober({
  ownPublicKey: () => own,
  boot: () => boot,
  sender: {
    send: (bytes, { address, port }) => {
      socket.send(bytes, port, address);
      return true;
    },
  },
  events: {
    viewOf: () => view,
    onAnswered: () => {},
    onProbed: () => {},
    onTold: (_, bytes) => {
      const message = decodeRelayMessage(bytes);
      if (message?.type === "allocated") allocated.push(message);
    },
  },
});
for (const { remote, pair } of peers) prober.addPeer(remote, pair);
socket.on("message", (bytes, { address, port }) => {
  prober.receive(bytes, { address, port, family: 4 }, undefined);
});

let [packets, bytesSent] = [0, 0];
let last: Uint8Array = new Uint8Array(20);

function send(
  bytes: Uint8Array,
  { address, port }: { readonly address: string; readonly port: number },
): void {
  packets++;
  // With the headers of IPv4 and UDP.
  bytesSent += bytes.length + 28;
  socket.send(bytes, port, address);
}

function probeOf(peer: Peer, sealed?: Uint8Array, bytes?: number): Uint8Array {
  const transaction = new Uint8Array(randomBytes(12));
  return writeProbe(peer.keys, { transaction, boot, counter: ++peer.counter, view, sealed, bytes });
}

function tell(peer: Peer, bytes: Uint8Array): void {
  last = probeOf(peer, seal(peer.keys, bytes));
  send(last, peer);
}

/** 32 candidates: twice as many as an announce is written with. */
function announceOf(peer: Peer): Uint8Array {
  const bytes = encodeAnnounce({
    ...{ boot, counter: ++peer.announced, seenBoot: 0n, seenCounter: 0, nat: "open", isRelay: true },
    candidates: [],
  });
  const records = Array.from({ length: 32 }, (_, i) => {
    const address = config.named[i % config.named.length] ?? "";
    const port = 1024 + randomInt(60_000);
    return Uint8Array.of(2, 0, 9, i % 4, 0, 0, port >> 8, port, ...address.split(".").map(Number));
  });
  bytes.set(Buffer.concat(records), 29);
  return bytes;
}

const stranger = new SigningKey();
const foreign = Roster.found(stranger, { name: "foreign" }, 1);

function any<T>(all: readonly T[]): T | undefined {
  return all[randomInt(Math.max(1, all.length))];
}

const ATTACKS: Readonly<Record<string, (peer: Peer) => void>> = {
  /** Somebody else's addresses, each time as news. */
  announce: (peer) => tell(peer, announceOf(peer)),
  /** Places at relays: asked for, bound by numbers that are none or another's, given up, refused without a question. */
  relay: (peer) => {
    const other = any(peers)?.publicKey ?? "";
    const place = any(allocated);
    const id = place !== undefined && randomInt(2) === 0 ? place.id : randomBytes(8).readBigUInt64BE();
    const endpoint: Endpoint = { address: any(config.named) ?? "", family: 4, port: 9 };
    const messages = [
      { type: "request", peer: other },
      { type: "request", peer: randomBytes(32).toString("base64") },
      { type: "bind", id },
      { type: "released", peer: other, id },
      { type: "refused", peer: other, reason: "off" },
      { type: "allocated", peer: other, id, endpoint },
    ] as const;
    const message = any(messages);
    if (message !== undefined) tell(peer, encodeRelayMessage(message));
    if (place !== undefined)
      send(probeOf(peer, seal(peer.keys, encodeRelayMessage({ type: "bind", id }))), place.endpoint);
  },
  /** Rosters: it lacks everything, it knows far more, its own are forged. */
  roster: (peer) => {
    const admin = Buffer.from(stranger.publicKey).toString("base64");
    const mark = { admin, counter: 0xffff_ffff, hash: new Uint8Array(32) };
    const [statements = new Uint8Array()] = writeStatements(
      network,
      foreign.taken.map(({ bytes }) => bytes),
      1200,
    );
    const messages = [
      writeSummary(network, [], true),
      writeSummary(network, [mark], true),
      writeSummary(randomBytes(16), [mark], true),
      statements,
    ];
    tell(peer, any(messages) ?? statements);
  },
  /** Bytes of every kind and length, sealed as they should be. */
  junk: (peer) => tell(peer, Uint8Array.of(randomInt(256), randomInt(8), ...randomBytes(randomInt(1250)))),
  /** What is not sealed, is too long, was there before, or is not signed. */
  malformed: (peer) => {
    const broken = Uint8Array.from(last);
    broken[randomInt(broken.length)] = randomInt(256);
    const packets = [
      last,
      broken,
      probeOf(peer, randomBytes(randomInt(1300))),
      probeOf(peer, undefined, 1500),
    ];
    send(any(packets) ?? broken, peer);
  },
  /** Probes alone, as many as there can be. */
  probe: (peer) => send(probeOf(peer), peer),
};

let attacks = 0;
console.log("ready");
for await (const line of createInterface({ input: process.stdin })) {
  const [name = "", ms = "", perSecond = ""] = line.split(" ");
  [packets, bytesSent] = [0, 0];
  if (name === "broker") await overBroker(Number(ms));
  else await attack(ATTACKS[name] ?? (() => {}), Number(ms), Number(perSecond));
  console.log(`sent ${packets} ${bytesSent} by ${name}, attack ${++attacks}`);
}

async function attack(one: (peer: Peer) => void, ms: number, perSecond: number): Promise<void> {
  const startedAt = performance.now();
  let done = 0;
  for (let passed = 0; passed < ms; passed = performance.now() - startedAt) {
    for (; done < (passed / 1000) * perSecond; done++) {
      const peer = peers[done % peers.length];
      if (peer !== undefined) one(peer);
    }
    await delay(2);
  }
}

/** The same to each peer's address on the brokers: what is long does not fit a datagram. */
async function overBroker(ms: number): Promise<void> {
  const brokers = { IPv4: { [config.broker]: { port: 1883 } }, IPv6: {} };
  const until = performance.now() + ms;
  await Promise.all(
    peers.map(async (peer) => {
      const { pair } = peer;
      const identity = Keypair.fromSecretKey(pair.secretKey);
      await using router = new Router(identity, {
        getTime: Date.now,
        brokers,
        encrypt: true,
        gapTimeoutMs: 0,
      });
      await router.start();
      const pipe = await router.pipe(Buffer.from(pair.remoteAddress).toString("hex"), { useCache: true });
      while (performance.now() < until) {
        const forged = Array.from({ length: 150 }, () => randomBytes(200));
        for (const bytes of [
          announceOf(peer),
          writeSummary(network, [], true),
          ...writeStatements(network, forged, 32_000),
        ]) {
          packets++;
          bytesSent += bytes.length;
          await pipe.send(bytes).catch(() => {});
        }
      }
    }),
  );
}
