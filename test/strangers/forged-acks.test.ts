import { describe, expect, it, vi } from "vitest";
import { AppPacket, Keypair, MessageType, type Router, type SmartPipe } from "../../src/index.js";
import { type EmbeddedBroker, startEmbeddedBroker } from "../support/embedded-broker.js";
import { poolOf, startPeer, untilBrokers, use } from "../support/peers.js";
import { connectRaw, type RawClient } from "../support/raw-client.js";
import { twinOf } from "./twin.js";

/** How long a send that must not be settled is given, ms. */
const IN_VAIN_MS = 500;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const seconds = (): number => Math.floor(Date.now() / 1000);

interface Scene {
  readonly brokers: readonly EmbeddedBroker[];
  readonly ann: Router;
  /** Whom Ann sends to: a key, and nobody who answers. */
  readonly ben: Keypair;
  readonly pipe: SmartPipe;
  /** Reads what goes to Ben and publishes what it likes. */
  readonly mallory: RawClient;
}

async function scene(brokerCount = 1): Promise<Scene> {
  const brokers = await Promise.all(
    Array.from({ length: brokerCount }, async (_, i) => use(await startEmbeddedBroker(`127.0.0.${i + 1}`))),
  );
  const [broker] = brokers;
  if (broker === undefined) throw new Error("no broker");
  const ann = await startPeer(poolOf(brokers));
  await untilBrokers(ann, () => ann.hints().length === brokerCount);
  const ben = Keypair.generate();
  const mallory = await connectRaw(broker, [ben.publicKeyHex]);
  return { brokers, ann, ben, pipe: await ann.pipe(ben.publicKeyHex), mallory };
}

interface Place {
  readonly queueId: string;
  readonly sequence: number;
}

/** The next message that Ann sends to Ben, as Mallory sees it. */
async function overheard(mallory: RawClient): Promise<Place> {
  const packet = await AppPacket.unpack(await mallory.next());
  if (packet === null) throw new Error("not a packet");
  return packet;
}

function ackBy(keys: Keypair, { queueId, sequence }: Place, timestamp = seconds()): Promise<Uint8Array> {
  const message = bytes("ack");
  return AppPacket.pack({ queueId, sequence, timestamp, type: MessageType.Ack, message }, keys);
}

describe("an ACK that does not belong to the message", () => {
  it("settles nothing: one recorded earlier, of each message before it in the queue", async () => {
    const { ann, ben, pipe, mallory } = await scene();
    const recorded: Uint8Array[] = [];
    for (let i = 0; i < 3; i++) {
      const asked = overheard(mallory);
      const sent = pipe.send(`message ${i}`);
      const ack = await ackBy(ben, await asked);
      recorded.push(ack);
      await mallory.publish(ann.address, ack);
      expect(await sent).toBe(9);
    }
    const asked = overheard(mallory);
    const sent = pipe.send("message 3", { timeoutMs: IN_VAIN_MS });
    await asked;
    for (const ack of [...recorded, ...recorded.map(twinOf)]) await mallory.publish(ann.address, ack);
    expect(await sent).toBe(0);
    // Late ACKs are part of the protocol, and nothing to complain of.
    expect(ann.stats().dropped).toEqual({});
  });

  it("settles nothing: of a message to another peer, under the same number", async () => {
    const { brokers, ann, pipe, mallory } = await scene();
    const [broker] = brokers;
    const carol = Keypair.generate();
    const spy = await connectRaw(broker ?? { host: "", port: 0 }, [carol.publicKeyHex]);
    const toCarol = await ann.pipe(carol.publicKeyHex);
    const [askedBen, askedCarol] = [overheard(mallory), overheard(spy)];
    const [sentBen, sentCarol] = [pipe.send("ben", { timeoutMs: IN_VAIN_MS }), toCarol.send("carol")];
    const [placeBen, placeCarol] = await Promise.all([askedBen, askedCarol]);
    expect(placeBen.sequence).toBe(placeCarol.sequence);
    await mallory.publish(ann.address, await ackBy(carol, placeBen));
    await mallory.publish(ann.address, await ackBy(carol, placeCarol));
    expect(await sentCarol).toBe(5);
    expect(await sentBen).toBe(0);
    expect(ann.stats().dropped).toEqual({ "unexpected-ack": 1 });
  });

  it("settles nothing: any of its fields changed after it was signed", async () => {
    const { ann, ben, pipe, mallory } = await scene();
    const asked = overheard(mallory);
    const sent = pipe.send("who is there?", { timeoutMs: IN_VAIN_MS });
    const place = await asked;
    const ack = await ackBy(ben, place);
    const changed = (at: number): Uint8Array => ack.map((byte, i) => (i === at ? byte ^ 1 : byte));
    const elsewhere = await ackBy(ben, { ...place, sequence: place.sequence + 1 });
    const moved = Buffer.from(elsewhere);
    moved.writeUInt32BE(place.sequence, 129);
    const offers = [changed(33), changed(96), changed(140), changed(142), moved, ack.subarray(0, -1)];
    for (const offer of offers) await mallory.publish(ann.address, offer);
    expect(await sent).toBe(0);
    expect(ann.stats().dropped).toEqual({ "bad-signature": offers.length });
  });

  it("settles nothing: a message or a probe by the right key instead", async () => {
    const { ann, ben, pipe, mallory } = await scene();
    const asked = overheard(mallory);
    const sent = pipe.send("who is there?", { timeoutMs: IN_VAIN_MS });
    const { queueId, sequence } = await asked;
    for (const type of [MessageType.Message, MessageType.Probe]) {
      const fields = { queueId, sequence, timestamp: seconds(), type, message: bytes("ack") };
      await mallory.publish(ann.address, await AppPacket.pack(fields, ben));
    }
    expect(await sent).toBe(0);
  });
});

describe("an ACK by the right key for the right message", () => {
  it("settles once, with either of its two signatures, on however many brokers it is played again", async () => {
    const { brokers, ann, ben, pipe } = await scene(3);
    const clients = await Promise.all(brokers.map((broker) => connectRaw(broker, [ben.publicKeyHex])));
    const [mallory] = clients;
    if (mallory === undefined) throw new Error("no client");
    for (const signed of [(ack: Uint8Array): Uint8Array => ack, twinOf]) {
      const asked = overheard(mallory);
      const sent = pipe.deliver("hello", { timeoutMs: 4000 });
      const ack = signed(await ackBy(ben, await asked));
      for (let copy = 0; copy < 5; copy++) {
        for (const client of clients) {
          await client.publish(ann.address, ack);
          await client.publish(ann.address, twinOf(ack));
        }
      }
      expect((await sent).bytes).toBe(5);
    }
    expect(ann.stats()).toMatchObject({ inFlight: 0, dropped: {}, received: 0 });
    const acknowledged = ann.stats().brokers.map((broker) => broker.acknowledged);
    expect(acknowledged.reduce((sum, count) => sum + count, 0)).toBe(2);
  });

  it("settles whatever time it claims, and the claim is told", async () => {
    const { ann, ben, pipe, mallory } = await scene();
    for (const timestamp of [0, Number.MAX_SAFE_INTEGER]) {
      const asked = overheard(mallory);
      const sent = pipe.deliver("hello");
      await mallory.publish(ann.address, await ackBy(ben, await asked, timestamp));
      const { remoteClockOffsetMs } = await sent;
      expect(Math.sign(remoteClockOffsetMs)).toBe(timestamp === 0 ? -1 : 1);
    }
  });
});

describe("a flood of forged ACKs", () => {
  it("does not keep the true one from settling, and none of it settles", async () => {
    const { ann, ben, pipe, mallory } = await scene();
    const asked = overheard(mallory);
    const sent = pipe.deliver("hello", { timeoutMs: 10_000 });
    const place = await asked;
    const ack = await ackBy(ben, place);
    const forged = Array.from({ length: 2000 }, (_, i) => {
      const copy = Buffer.from(ack);
      copy.writeUInt32BE(i + 1, 40);
      return copy;
    });
    const others = await Promise.all(Array.from({ length: 200 }, () => ackBy(Keypair.generate(), place)));
    let settled = false;
    void sent.then(() => {
      settled = true;
    });
    await Promise.all([...forged, ...others].map((payload) => mallory.publish(ann.address, payload)));
    expect(settled).toBe(false);
    // As a peer answers each copy: what is refused for lack of room comes again.
    while (!settled) await mallory.publish(ann.address, ack);
    expect((await sent).bytes).toBe(5);
    expect(ann.stats().dropped["unexpected-ack"]).toBe(others.length);
    // The newest came first: of those before it some may still wait.
    await vi.waitUntil(() => {
      const { "bad-signature": wrong = 0, full = 0 } = ann.stats().dropped;
      return wrong + full >= forged.length;
    });
  });

  it("costs no check where nothing is waited for", async () => {
    const broker = use(await startEmbeddedBroker());
    let verified = 0;
    const ann = await startPeer(poolOf([broker]), {
      verify: () => {
        verified++;
        return true;
      },
    });
    const mallory = await connectRaw(broker);
    const ben = Keypair.generate();
    const acks = await Promise.all(
      Array.from({ length: 300 }, (_, sequence) => ackBy(ben, { queueId: "ab".repeat(32), sequence })),
    );
    const dropped = new Promise<void>((resolve) => {
      let count = 0;
      ann.on("dropped", () => {
        if (++count === acks.length) resolve();
      });
    });
    for (const ack of acks) await mallory.publish(ann.address, ack);
    await dropped;
    expect(ann.stats().dropped).toEqual({ "unexpected-ack": 300 });
    expect(verified).toBe(0);
  });
});
