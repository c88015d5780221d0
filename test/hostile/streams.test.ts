import { describe, expect, it } from "vitest";
import type { BrokerError } from "../../src/base/errors.js";
import { openLink } from "../../src/brokers/broker-link.js";
import { LineSpeed } from "../../src/brokers/line-speed.js";
import type { BrokerLink } from "../../src/brokers/link.js";
import { ReadScheduler } from "../../src/brokers/read-scheduler.js";
import { platform } from "../../src/platform/node.js";
import { randomOf } from "../faults/random.js";
import { usedBytes } from "../strangers/receiving.js";
import { makeSubscriber } from "../support/links.js";
import { MemoryConnection } from "../support/memory-connection.js";
import { MAX_PAYLOAD, type Stream, StreamMaker, TOPIC } from "./streams.js";

const STREAMS = Number(process.env.STREAMS ?? 1_000_000);
const SEED = Number(process.env.STREAMS_SEED ?? Math.floor(Math.random() * 2 ** 31));

/** So many sessions are there at once. */
const AT_ONCE = 250;

/** What became of a session. */
class Trial {
  readonly stream: Stream;
  readonly messages: string[] = [];
  readonly connection: MemoryConnection;
  link: BrokerLink | undefined;
  reason = "";
  ends = 0;

  constructor(stream: Stream, connect: () => MemoryConnection, signal: AbortSignal) {
    this.stream = stream;
    const end = (error: BrokerError): void => {
      this.reason = error.reason;
      this.ends++;
    };
    const listener = makeSubscriber({
      topic: TOPIC,
      maxPayloadBytes: MAX_PAYLOAD,
      onMessage: (payload) => this.messages.push(Buffer.from(payload).toString("latin1")),
      onTooLarge: () => this.messages.push("too long"),
    });
    openLink(
      {
        broker: { host: "h", family: "IPv4", weight: 1 },
        target: {
          transport: "mqtt",
          family: "IPv4",
          host: "h",
          port: 1,
          path: "/",
          localAddress: undefined,
          publicOnly: false,
          ca: undefined,
        },
        isPipelined: true,
        connectTimeoutMs: 100_000,
        scheduler: new ReadScheduler(),
        speed: new LineSpeed(),
        subscribers: () => [listener],
        onClose: end,
      },
      signal,
    ).then((link) => {
      this.link = link;
    }, end);
    this.connection = connect();
    this.connection.events.onOpen();
  }

  feed(): void {
    // Also what comes after the end: a session that is over takes no notice.
    for (const piece of this.stream.pieces) this.connection.events.onData(piece);
  }

  /** What differs from what should have come of it. */
  fault(): string | undefined {
    const { expected, pieces } = this.stream;
    // Behind CONNECT and SUBSCRIBE, which leave together, come acknowledgements alone, several at a time.
    const said = Buffer.concat(this.connection.written.slice(1));
    const acknowledged: number[] = [];
    for (let at = 0; at < said.length; at += 4) {
      acknowledged.push(said.readUInt16BE(at) === 0x4002 ? said.readUInt16BE(at + 2) : Number.NaN);
    }
    const isOver = expected.ends !== undefined;
    if (
      this.reason === (expected.ends ?? "") &&
      this.ends === (isOver ? 1 : 0) &&
      (this.link !== undefined) === expected.isOpen &&
      (this.connection.state === "destroyed") === isOver &&
      isSame(this.messages, expected.messages) &&
      // What was acknowledged in the same breath in which the session ended did not leave any more.
      (isOver || isSame(acknowledged, expected.acknowledged))
    )
      return undefined;
    const { messages, reason, ends, link, connection } = this;
    const got = { messages, reason, ends, isOpen: link !== undefined, state: connection.state, acknowledged };
    const hex = pieces.map((piece) => piece.toString("hex"));
    return `${JSON.stringify(got)} instead of ${JSON.stringify(expected)} of ${hex}`;
  }
}

function isSame<T>(one: readonly T[], other: readonly T[]): boolean {
  return one.length === other.length && one.every((value, i) => value === other[i]);
}

describe(`${STREAMS} streams, true and false, changed and cut (seed ${SEED})`, () => {
  it("come to what they should by the book; nothing throws, blocks or grows", {
    timeout: 600_000,
  }, async () => {
    let latest: MemoryConnection | undefined;
    const { openConnection } = platform;
    const { stackTraceLimit } = Error;
    // Half a million errors are made here, and where that was is known.
    Error.stackTraceLimit = 0;
    // Not by a spy, which remembers every call.
    platform.openConnection = (_, events) => {
      latest = new MemoryConnection(events);
      return latest;
    };
    const connect = (): MemoryConnection => latest ?? expect.fail("nothing was dialled");
    const random = randomOf(SEED);
    const maker = new StreamMaker(random);
    const faults: string[] = [];
    const ends: Record<string, number> = {};
    let [messages, longest, before] = [0, 0, 0];
    const startedAt = process.cpuUsage();
    for (let made = 0; made < STREAMS; made += AT_ONCE) {
      const controller = new AbortController();
      const streams = Array.from({ length: AT_ONCE }, () => maker.make());
      const trials = streams.map((stream) => new Trial(stream, connect, controller.signal));
      for (let i = 0; i < AT_ONCE; i += 10) {
        const started = process.cpuUsage();
        for (const trial of trials.slice(i, i + 10)) trial.feed();
        const { user, system } = process.cpuUsage(started);
        longest = Math.max(longest, user + system);
      }
      // What comes behind a SUBACK has its turn.
      for (let i = 0; i < 4; i++) await new Promise((resolve) => setImmediate(resolve));
      for (const trial of trials) {
        const fault = faults.length < 5 ? trial.fault() : undefined;
        if (fault !== undefined) faults.push(fault);
        ends[trial.reason] = (ends[trial.reason] ?? 0) + 1;
        messages += trial.messages.length;
      }
      // In every way in which it may end, and with a word after the end.
      controller.abort();
      for (const { link, connection } of trials) {
        const how = maker.below(4);
        if (how === 0) connection.events.onClose(undefined);
        if (how === 1) connection.events.onClose(new Error("reset"));
        const closing = link?.close(how === 2);
        connection.events.onData(Buffer.of(0));
        connection.events.onClose(undefined);
        await closing;
        if (link?.publish("x", Buffer.of(1))) faults.push("published after its end");
        link?.check();
      }
      if (made === STREAMS / 2) before = await usedBytes();
    }
    const { user, system } = process.cpuUsage(startedAt);
    const grown = (await usedBytes()) - before;
    platform.openConnection = openConnection;
    Error.stackTraceLimit = stackTraceLimit;
    console.log(
      `${STREAMS} streams, ${messages} messages in ${((user + system) / 1e6).toFixed(1)} s of the processor, ` +
        `${(longest / 1000).toFixed(1)} ms the longest, ${(grown / 1e6).toFixed(1)} MB more after the second half;`,
      ends,
    );
    expect(faults).toEqual([]);
    // Every kind of end has been seen.
    for (const reason of ["", "protocol", "not-mqtt", "refused", "subscription"])
      expect(ends[reason], reason).toBeGreaterThan(STREAMS / 1000);
    expect(messages).toBeGreaterThan(STREAMS / 2);
    expect(longest / 1000).toBeLessThan(50);
    expect(grown).toBeLessThan(5e6);
  });
});
