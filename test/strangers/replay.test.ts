import { describe, expect, it, onTestFinished, vi } from "vitest";
import { AppPacket, Keypair, MessageType, Router } from "../../src/index.js";
import { record } from "../support/peers.js";
import {
  Conversation,
  NOTHING,
  PATIENCE,
  type Played,
  type Recorded,
  type Talker,
  typeOf,
} from "./conversation.js";
import { twinOf } from "./twin.js";

const HOUR_MS = 3_600_000;

/** How long a send that must not be settled is given, ms. */
const IN_VAIN_MS = 500;

/** What one round of the conversation shows: three messages in the open, three sealed. */
const ROUND = 6;

interface Scene {
  readonly talk: Conversation;
  readonly packets: readonly Recorded[];
}

/** A conversation that was recorded. */
async function recorded(): Promise<Scene> {
  const talk = await Conversation.start();
  await talk.talk();
  const packets = talk.recorded();
  // By two brokers: each message, its ACK, and the probe of each side and its ACK.
  for (const { by } of packets) expect(by.size).toBe(2);
  for (const { keys } of [talk.ann, talk.ben]) {
    const types = packets.filter(({ topic }) => topic === keys.publicKeyHex).map(({ type }) => type);
    expect(types.filter((type) => type === MessageType.Message)).toHaveLength(ROUND);
    expect(types.filter((type) => type === MessageType.Probe)).toHaveLength(1);
    expect(types.filter((type) => type === MessageType.Ack)).toHaveLength(ROUND + 1);
  }
  return { talk, packets };
}

/** Plays packets and waits until everything is dealt with; says what came of it on either side. */
async function replay(
  { talk, packets }: Scene,
  where: "same" | "others" = "same",
): Promise<Record<"ann" | "ben", ReturnType<Conversation["tally"]>> & { played: Played }> {
  const before = { ann: talk.tally(talk.ann), ben: talk.tally(talk.ben) };
  const played = await talk.play(packets, where);
  await talk.quiet();
  return { played, ann: talk.tally(talk.ann, before.ann), ben: talk.tally(talk.ben, before.ben) };
}

/** Copies that come while their ACK is being signed are answered by that one. */
function upTo(copies: number): unknown {
  return expect.toSatisfy((acks: number) => acks > 0 && acks <= copies);
}

/** Nothing is shown or settled; each copy of a message is acknowledged as a duplicate, and each probe answered. */
function expectDuplicates({ played, ann, ben }: Awaited<ReturnType<typeof replay>>): void {
  for (const side of ["ann", "ben"] as const) {
    const { [MessageType.Message]: messages, [MessageType.Probe]: probes } = played[side];
    expect(messages).toBeGreaterThanOrEqual(2 * ROUND);
    expect(probes).toBeGreaterThanOrEqual(2);
    const tally = { ann, ben }[side];
    expect(tally).toEqual({ ...NOTHING, duplicates: messages, acks: upTo(messages + probes) });
  }
}

/** Nothing is shown, settled or acknowledged: every message is dropped for the reason. Probes have no age. */
function expectDropped({ played, ann, ben }: Awaited<ReturnType<typeof replay>>, reason: string): void {
  for (const side of ["ann", "ben"] as const) {
    const { [MessageType.Message]: messages, [MessageType.Probe]: probes } = played[side];
    expect(messages).toBeGreaterThanOrEqual(2 * ROUND);
    const tally = { ann, ben }[side];
    expect(tally).toEqual({ ...NOTHING, acks: upTo(probes), dropped: { [reason]: messages } });
  }
}

function texts({ shown }: Talker): string[] {
  return shown.map((message) => message.text());
}

/** One more round goes through as if nothing had been. */
async function expectAlive(talk: Conversation): Promise<void> {
  const before = [talk.ann, talk.ben].map((talker) => ({ talker, count: talker.shown.length }));
  await talk.talk();
  for (const { talker, count } of before) {
    // A router that is new waits once for what was sent to the one before.
    await vi.waitUntil(() => talker.shown.length === count + ROUND, PATIENCE);
    const news = texts(talker).slice(count);
    for (const kind of ["open", "sealed"]) {
      expect(news.filter((text) => text.startsWith(kind))).toEqual([0, 1, 2].map((i) => `${kind} ${i}`));
    }
  }
}

function setClocks({ ann, ben }: Conversation, change: number): void {
  ann.wall += change;
  ben.wall += change;
}

describe("a conversation that is played again, packet by packet", () => {
  it.each([
    ["at once", 0],
    ["after 119 s", 119_000],
    ["after 120 s", 120_000],
  ])("%s: nothing is shown or settled, and the copies are acknowledged", async (_, ms) => {
    const scene = await recorded();
    setClocks(scene.talk, ms);
    expectDuplicates(await replay(scene));
    expectDuplicates(await replay(scene, "others"));
    await expectAlive(scene.talk);
  });

  it.each([
    ["a millisecond later", 120_001],
    ["after 121 s", 121_000],
    ["after a day", 24 * HOUR_MS],
  ])("%s: too old, on whatever broker", async (_, ms) => {
    const scene = await recorded();
    setClocks(scene.talk, ms);
    expectDropped(await replay(scene), "too-old");
    expectDropped(await replay(scene, "others"), "too-old");
    await expectAlive(scene.talk);
  });

  it("with the other signature that holds: no other message", async () => {
    const { talk, packets } = await recorded();
    const twins = packets.map((packet) => ({ ...packet, payload: twinOf(packet.payload) }));
    expectDuplicates(await replay({ talk, packets: twins }));
    expectDuplicates(await replay({ talk, packets: twins }, "others"));
    await expectAlive(talk);
  });

  it("backwards, ten times over", async () => {
    const { talk, packets } = await recorded();
    const often = Array.from({ length: 10 }, () => [...packets].reverse()).flat();
    expectDuplicates(await replay({ talk, packets: often }));
    await expectAlive(talk);
  });

  it("to the side it came from: what was sealed is not opened, no ACK settles, the open rest is shown once", async () => {
    const { talk, packets } = await recorded();
    const other = (topic: string): string =>
      [talk.ann.keys, talk.ben.keys].map((keys) => keys.publicKeyHex).find((one) => one !== topic) ?? "";
    const turned = packets.map((packet) => ({ ...packet, topic: other(packet.topic) }));
    const { ann, ben, played } = await replay({ talk, packets: turned });
    for (const [side, tally] of [
      ["ann", ann],
      ["ben", ben],
    ] as const) {
      const { 1: messages, 2: acks, 3: probes } = played[side];
      // What is not sealed names no destination: shown once, as from the key that signed it.
      expect(tally).toEqual({
        received: 3,
        duplicates: messages / 2 - 3,
        settled: 0,
        acks: upTo(messages / 2 + probes),
        // It answers itself, to no avail.
        dropped: { "not-opened": messages / 2, "unexpected-ack": acks + messages / 2 + probes },
      });
    }
    await expectAlive(talk);
  });
});

describe("a recorded conversation and a receiver whose clock is set", () => {
  it("an hour ahead and right again: too old, then known", async () => {
    const scene = await recorded();
    setClocks(scene.talk, HOUR_MS);
    expectDropped(await replay(scene), "too-old");
    setClocks(scene.talk, -HOUR_MS);
    expectDuplicates(await replay(scene));
    await expectAlive(scene.talk);
  });

  it("an hour back and right again: too new, then known", async () => {
    const scene = await recorded();
    setClocks(scene.talk, -HOUR_MS);
    expectDropped(await replay(scene), "too-new");
    setClocks(scene.talk, HOUR_MS);
    expectDuplicates(await replay(scene));
    await expectAlive(scene.talk);
  });

  it("right, ahead, and back by small steps: never new", async () => {
    const scene = await recorded();
    for (const step of [119_000, 2000, HOUR_MS, -HOUR_MS - 2000, -119_000, -120_000, 120_000]) {
      setClocks(scene.talk, step);
      const { ann, ben } = await replay(scene);
      expect([ann.received, ben.received]).toEqual([0, 0]);
    }
    await expectAlive(scene.talk);
  });

  it("back, long after everything was forgotten: what was forgotten leaves its time behind", async () => {
    const scene = await recorded();
    const { talk } = scene;
    // Three hours really pass, by both clocks: longer than anything is kept.
    const now = performance.now.bind(performance);
    const clock = vi.spyOn(performance, "now").mockImplementation(() => now() + 3 * HOUR_MS);
    onTestFinished(() => clock.mockRestore());
    setClocks(talk, 3 * HOUR_MS);
    // The first message that comes in makes both forget.
    await expectAlive(talk);
    setClocks(talk, -3 * HOUR_MS);
    const { played, ann, ben } = await replay(scene);
    expect(ann).toEqual({ ...NOTHING, acks: upTo(played.ann[3]), dropped: { "too-old": played.ann[1] } });
    expect(ben).toEqual({ ...NOTHING, acks: upTo(played.ben[3]), dropped: { "too-old": played.ben[1] } });
    setClocks(talk, 3 * HOUR_MS);
    await expectAlive(talk);
  });
});

describe("a recorded conversation and a receiver that was restarted", () => {
  it("within 120 s: every message is shown once more, in order, and no second time", async () => {
    const scene = await recorded();
    const { talk } = scene;
    const first = texts(talk.ben);
    await talk.restart(talk.ben);
    setClocks(talk, 119_000);
    const { played, ann, ben } = await replay(scene);
    const { 1: messages, 2: acks, 3: probes } = played.ben;
    expect(ben).toEqual({
      received: ROUND,
      duplicates: messages - ROUND,
      settled: 0,
      acks: upTo(messages + probes),
      dropped: { "unexpected-ack": acks + ann.acks },
    });
    expect(texts(talk.ben).sort()).toEqual(first.sort());
    for (const kind of ["open", "sealed"]) {
      const shown = texts(talk.ben).filter((text) => text.startsWith(kind));
      expect(shown).toEqual([0, 1, 2].map((i) => `${kind} ${i}`));
    }
    expect(ann.received).toBe(0);
    expectOnlyOnce(await replay(scene));
    expectOnlyOnce(await replay(scene, "others"));
    await expectAlive(talk);
  });

  it("after 120 s: nothing", async () => {
    const scene = await recorded();
    const { talk } = scene;
    await talk.restart(talk.ben);
    setClocks(talk, 120_001);
    const { played, ann, ben } = await replay(scene);
    const { 1: messages, 2: acks, 3: probes } = played.ben;
    expect(ben).toEqual({
      ...NOTHING,
      acks: upTo(probes),
      dropped: { "too-old": messages, "unexpected-ack": acks + ann.acks },
    });
    expect(talk.ben.shown).toEqual([]);
    await expectAlive(talk);
  });

  it("within 120 s, once a newer message of the pipe was shown: nothing before it", async () => {
    const scene = await recorded();
    const { talk } = scene;
    await talk.restart(talk.ben);
    const { open, sealed } = talk.ann.pipes;
    const shown = new Promise<void>((resolve) => {
      talk.ben.router.on("message", () => talk.ben.shown.length === 2 && resolve());
    });
    await Promise.all([open.deliver("open news"), sealed.deliver("sealed news"), shown]);
    await talk.quiet();
    const { played, ann, ben } = await replay(scene);
    const { 1: messages, 2: acks, 3: probes } = played.ben;
    expect(ben).toEqual({
      ...NOTHING,
      acks: upTo(probes),
      dropped: { "out-of-order": messages, "unexpected-ack": acks + ann.acks },
    });
    expect(texts(talk.ben).sort()).toEqual(["open news", "sealed news"]);
    await expectAlive(talk);
  });
});

/** ACKs to the router that was before are nobody's: those played, and those that the copies draw from Ann. */
function expectOnlyOnce({ played, ann, ben }: Awaited<ReturnType<typeof replay>>): void {
  expect(ben).toEqual({
    ...NOTHING,
    duplicates: played.ben[1],
    acks: upTo(played.ben[1] + played.ben[3]),
    dropped: { "unexpected-ack": played.ben[2] + ann.acks },
  });
}

describe("a conversation that goes on while it is played again", () => {
  it("has no gap, no copy and no message out of order", async () => {
    // A message behind a gap would wait for longer than the test may take.
    const talk = await Conversation.start({ gapTimeoutMs: 60_000 });
    const { ann, ben } = talk;
    let over = false;
    const playing = (async () => {
      let played = 0;
      while (!over) {
        const packets = talk.recorded();
        // What is new, and something from before.
        const some = [...packets.slice(-12), ...packets.slice(0, 12)];
        const counts = await Promise.all([talk.play(some), talk.play(some, "others")]);
        for (const { ann, ben } of counts) played += ann[1] + ben[1];
        await new Promise((resolve) => setImmediate(resolve));
      }
      return played;
    })();
    const say = async (talker: Talker, kind: "open" | "sealed"): Promise<void> => {
      for (let i = 0; i < 60; i += 3) {
        const three = [i, i + 1, i + 2].map((n) =>
          talker.pipes[kind].deliver(`${kind} ${n}`, { timeoutMs: 15_000 }),
        );
        await Promise.all(three);
      }
    };
    await Promise.all([ann, ben].flatMap((talker) => [say(talker, "open"), say(talker, "sealed")]));
    over = true;
    expect(await playing).toBeGreaterThan(240);
    await talk.quiet();
    for (const talker of [ann, ben]) {
      for (const kind of ["open", "sealed"]) {
        const shown = texts(talker).filter((text) => text.startsWith(kind));
        expect(shown).toEqual(Array.from({ length: 60 }, (_, i) => `${kind} ${i}`));
      }
      expect(talk.tally(talker)).toMatchObject({ received: 120, settled: 120, dropped: {} });
    }
  });
});

describe("the ACKs of a conversation, played again to the sender", () => {
  it("settle nothing: neither the next message of the pipe nor a probe", async () => {
    const { talk, packets } = await recorded();
    const { ann, ben } = talk;
    await ben.router.close();
    const acks = packets.filter(({ type }) => type === MessageType.Ack);
    const before = talk.tally(ann);
    const sends = [
      ann.pipes.open.send("anybody?", { timeoutMs: IN_VAIN_MS }),
      ann.pipes.sealed.send("anybody?", { timeoutMs: IN_VAIN_MS }),
      ann.pipes.open.probe({ timeoutMs: IN_VAIN_MS }).then(({ reachable }) => (reachable ? 1 : 0)),
    ];
    await vi.waitUntil(() => ann.router.stats().inFlight === 3, { ...PATIENCE, interval: 1 });
    for (const where of ["same", "others"] as const) {
      await talk.play(acks, where);
      await talk.play(
        acks.map((ack) => ({ ...ack, payload: twinOf(ack.payload) })),
        where,
      );
    }
    expect(await Promise.all(sends)).toEqual([0, 0, 0]);
    // Late ACKs are part of the protocol, and nothing to complain of.
    expect(talk.tally(ann, before)).toEqual(NOTHING);
  });

  it("are nobody's after the sender was restarted", async () => {
    const scene = await recorded();
    const { talk } = scene;
    await talk.restart(talk.ann);
    const acks = scene.packets.filter(({ type }) => type === MessageType.Ack);
    const { played, ann } = await replay({ talk, packets: acks });
    expect(played.ann[2]).toBe(2 * (ROUND + 1));
    expect(ann).toEqual({ ...NOTHING, dropped: { "unexpected-ack": played.ann[2] } });
    await expectAlive(talk);
  });
});

describe("what cannot be stopped", () => {
  /** Carol listens on the same brokers. */
  async function makeCarol(talk: Conversation, wall: number): Promise<Router> {
    const router = new Router(Keypair.generate(), {
      getTime: () => wall,
      brokers: talk.pool,
      families: ["IPv4"],
    });
    onTestFinished(() => router.close({ signal: AbortSignal.abort() }));
    await router.start();
    return router;
  }

  it.each([
    ["within 120 s: what was not sealed is shown once, as from its sender", 120_000, 3],
    ["after 120 s: nothing", 120_001, 0],
  ])("a conversation played to a third peer, %s", async (_, ms, received) => {
    const { talk, packets } = await recorded();
    const carol = await makeCarol(talk, talk.ben.wall + ms);
    const shown = record(carol);
    const toBen = packets.filter(({ topic, type }) => topic === talk.ben.keys.publicKeyHex && type === 1);
    const [hint] = carol.hints();
    if (hint === undefined) throw new Error("Carol listens nowhere");
    const by = talk.spyAt(hint.host);
    for (let round = 0; round < 2; round++) {
      for (const { payload } of toBen) await talk.publish(by, carol.address, payload);
    }
    await vi.waitUntil(() => {
      const { received, duplicates, dropped } = carol.stats();
      return received + duplicates + Object.values(dropped).reduce((a, b) => a + b, 0) === 2 * ROUND;
    }, PATIENCE);
    expect(carol.stats()).toMatchObject(
      received === 0
        ? { received, duplicates: 0, dropped: { "too-old": 2 * ROUND } }
        : { received, duplicates: 3, dropped: { "not-opened": 6 } },
    );
    for (const { from, sealed } of shown)
      expect({ from, sealed }).toEqual({ from: talk.ann.keys.publicKeyHex, sealed: false });
  });

  it("an ACK that was asked for under another's queue id and next number settles that send", async () => {
    const { talk, packets } = await recorded();
    const { ann, ben, mallory } = talk;
    const last = packets.filter(({ topic, type }) => topic === ben.keys.publicKeyHex && type === 1);
    const open = await Promise.all(last.map(({ payload }) => AppPacket.unpack(payload)));
    // What is signed side by side goes out in any order.
    const mine = open
      .filter((packet) => packet !== null && packet.message.length === "open 0".length)
      .toSorted((a, b) => (a?.sequence ?? 0) - (b?.sequence ?? 0))
      .at(-1);
    if (mine === undefined || mine === null) throw new Error("nothing recorded");
    const next = { queueId: mine.queueId, sequence: mine.sequence + 1 };
    const fields = { ...next, timestamp: 0, type: MessageType.Probe, message: new Uint8Array() };
    const answer = talk.next(
      (payload) => typeOf(payload) === MessageType.Ack && payload.toString("hex", 97, 129) === mine.queueId,
    );
    await talk.publish(undefined, ben.keys.publicKeyHex, await AppPacket.pack(fields, mallory));
    const ack = await answer;
    await ben.router.close();
    const sent = ann.pipes.open.send("never arrives");
    await vi.waitUntil(() => ann.router.stats().inFlight === 1, { ...PATIENCE, interval: 1 });
    await talk.publish(undefined, ann.keys.publicKeyHex, ack);
    expect(await sent).toBe("never arrives".length);
  });
});
