import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import type { BrokerError } from "../src/base/errors.js";
import { openLink } from "../src/brokers/broker-link.js";
import { LineSpeed } from "../src/brokers/line-speed.js";
import type { BrokerLink, LinkOptions } from "../src/brokers/link.js";
import { ReadScheduler } from "../src/brokers/read-scheduler.js";
import type { SocketTarget } from "../src/platform/platform.js";
import { CONNACK, PINGRESP, packet, publish, SUBACK } from "./hostile/attacks.js";
import { makeConnections, makeLinks, makeSubscriber, TOPIC } from "./support/links.js";
import { type MemoryConnection, memoryConnections } from "./support/memory-connection.js";

const topic = Buffer.from(TOPIC);

const TARGET: SocketTarget = {
  transport: "mqtt",
  family: "IPv4",
  host: "broker.example",
  port: 1883,
  path: "/mqtt",
  localAddress: undefined,
  publicOnly: false,
  ca: undefined,
};

/** What a session was told. */
interface Told {
  readonly messages: string[];
  tooLarge: number;
  ended: BrokerError | undefined;
}

interface Opening extends Told {
  readonly connection: MemoryConnection;
  readonly link: Promise<BrokerLink>;
  readonly controller: AbortController;
}

/** A session that is being opened, over a connection in memory. */
function open(options: Partial<LinkOptions> = {}): Opening {
  const latest = memoryConnections();
  const begun = begin(options);
  return Object.assign(begun, { connection: latest() });
}

function begin(options: Partial<LinkOptions>): Omit<Opening, "connection"> {
  const controller = new AbortController();
  const told: Told = { messages: [], tooLarge: 0, ended: undefined };
  const listener = makeSubscriber({
    onMessage: (payload) => told.messages.push(Buffer.from(payload).toString()),
    onTooLarge: () => told.tooLarge++,
  });
  const link = openLink(
    {
      broker: { host: "broker.example", family: "IPv4", weight: 1 },
      target: TARGET,
      subscribers: () => [listener],
      isPipelined: false,
      connectTimeoutMs: 4000,
      speed: new LineSpeed(),
      scheduler: new ReadScheduler(),
      onClose: (error) => {
        told.ended = error;
      },
      ...options,
    },
    controller.signal,
  );
  link.catch(() => {});
  onTestFinished(async () => {
    controller.abort();
    await (await link.catch(() => undefined))?.close(false);
  });
  return Object.assign(told, { link, controller });
}

/** One that is open. */
async function opened(options?: Partial<LinkOptions>): Promise<Opening & { session: BrokerLink }> {
  const opening = open(options);
  opening.connection.events.onOpen();
  opening.connection.say(CONNACK);
  opening.connection.say(SUBACK);
  return Object.assign(opening, { session: await opening.link });
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const said = ({ written }: MemoryConnection): string[] => written.map((bytes) => bytes.toString("hex"));

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a session", () => {
  it("says hello, subscribes, and is open once that is granted", async () => {
    const opening = open({ broker: { host: "h", family: "IPv4", weight: 1, username: "u", password: "pä" } });
    const { connection } = opening;
    expect(connection.written).toEqual([]);
    connection.events.onOpen();
    const [hello = Buffer.alloc(0)] = connection.written;
    // CONNECT: the protocol's name and level 4, both login flags and a clean session, 10 s.
    expect(hello.subarray(0, 12).toString("hex")).toBe("102a00044d51545404c2000a");
    expect(hello.subarray(14, 36).toString()).toMatch(/^sw[0-9a-f]{20}$/);
    expect(hello.subarray(36).toString("hex")).toBe("000175000370c3a4");
    connection.say(CONNACK);
    expect(said(connection)[1]).toBe(
      packet(0x82, Buffer.of(0, 1, 0, 66), topic, Buffer.of(1)).toString("hex"),
    );
    connection.say(SUBACK);
    await opening.link;
  });

  it("asks for its topic together with its hello where it need not wait, and is open in the same order", async () => {
    const { connection, link } = open({ isPipelined: true });
    connection.events.onOpen();
    expect(connection.written).toHaveLength(1);
    const [both = Buffer.alloc(0)] = connection.written;
    const subscribe = packet(0x82, Buffer.of(0, 1, 0, 66), topic, Buffer.of(1));
    expect(both.subarray(-subscribe.length).toString("hex")).toBe(subscribe.toString("hex"));
    connection.say(Buffer.concat([CONNACK, SUBACK]));
    await link;
    expect(connection.written).toHaveLength(1);
  });

  it("takes no answer to its SUBSCRIBE before that to its CONNECT", async () => {
    const { connection, link } = open({ isPipelined: true });
    connection.events.onOpen();
    connection.say(SUBACK);
    await expect(link).rejects.toMatchObject({ reason: "not-mqtt" });
  });

  it("has an empty user name for a password alone, as MQTT wants one", () => {
    const { connection } = open({ broker: { host: "h", family: "IPv4", weight: 1, password: "p" } });
    connection.events.onOpen();
    const [hello = Buffer.alloc(0)] = connection.written;
    expect(hello[9]).toBe(0xc2);
    expect(hello.subarray(36).toString("hex")).toBe("0000000170");
  });

  it.each([
    [1, "unacceptable protocol version"],
    [5, "not authorized"],
    [99, "unknown"],
  ])("is refused with code %i", async (code, words) => {
    const { connection, link } = open();
    connection.events.onOpen();
    connection.say(Buffer.of(0x20, 2, 0, code));
    await expect(link).rejects.toMatchObject({
      reason: "refused",
      returnCode: code,
      message: `refused with code ${code}: ${words}`,
    });
    expect(connection.state).toBe("destroyed");
  });

  it.each([
    [0, "wanted QoS 1, granted QoS 0"],
    [0x80, "wanted QoS 1, refused"],
  ])("has no use for a subscription that is answered with %i", async (code, message) => {
    const { connection, link } = open();
    connection.events.onOpen();
    connection.say(CONNACK, Buffer.of(0x90, 3, 0, 1, code));
    await expect(link).rejects.toMatchObject({ reason: "subscription", message });
  });

  it.each([
    ["before it is there", "no answer within 4000 ms"],
    ["before CONNACK", "no answer to CONNECT within 4000 ms"],
    ["before SUBACK", "no answer to SUBSCRIBE within 4000 ms"],
  ])("has 4 s to be opened: %s", async (when, message) => {
    const { connection, link } = open();
    if (when !== "before it is there") connection.events.onOpen();
    if (when === "before SUBACK") connection.say(CONNACK);
    await vi.advanceTimersByTimeAsync(4000);
    await expect(link).rejects.toMatchObject({ reason: "timeout", message });
    expect(connection.state).toBe("destroyed");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is given up by its signal at any time", async () => {
    const { connection, link, controller } = open();
    connection.events.onOpen();
    controller.abort();
    await expect(link).rejects.toMatchObject({ code: "ABORTED" });
    expect(connection.state).toBe("destroyed");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("hands on messages, and acknowledges those at QoS 1", async () => {
    const { connection, messages } = await opened();
    connection.say(publish(topic, Buffer.from("a")), publish(topic, Buffer.from("b"), 1, 258));
    connection.say(publish(topic, Buffer.from("c"), 1, 3));
    expect(messages).toEqual(["a", "b", "c"]);
    expect(said(connection).slice(2)).toEqual(["40020102", "40020003"]);
  });

  it("takes messages that come before the SUBACK, or right behind it", async () => {
    const { connection, link, messages } = open();
    connection.events.onOpen();
    connection.say(CONNACK);
    connection.say(publish(topic, Buffer.from("retained")), SUBACK, publish(topic, Buffer.from("at once")));
    await link;
    await nextTurn();
    expect(messages).toEqual(["retained", "at once"]);
  });

  it("passes over what is too long, and goes on", async () => {
    const told = await opened();
    told.connection.say(publish(topic, Buffer.alloc(1001), 1, 9));
    told.connection.say(publish(topic, Buffer.alloc(1000, "x")));
    expect(told.tooLarge).toBe(1);
    expect(told.messages).toEqual(["x".repeat(1000)]);
    expect(said(told.connection).at(-1)).toBe("40020009");
  });

  it("publishes at QoS 0, unless too much is unsent", async () => {
    const { connection, session } = await opened();
    expect(session.publish("ab", Buffer.from("xyz"))).toBe(true);
    expect(said(connection).at(-1)).toBe("30070002616278797a");
    const long = Buffer.alloc(70_000, 1);
    expect(session.publish("ab", long)).toBe(true);
    expect(connection.written.at(-2)?.subarray(0, 8).toString("hex")).toBe("30f4a20400026162");
    connection.unsentBytes = (1 << 20) + 1;
    expect(session.publish("ab", long)).toBe(false);
    await session.close(false);
    connection.unsentBytes = 0;
    expect(session.publish("ab", long)).toBe(false);
  });

  it("publishes a long message between two pings, which tell when it has left and how fast the line is", async () => {
    const speed = new LineSpeed();
    const { connection, session } = await opened({ speed });
    let left = 0;
    session.publish("ab", Buffer.alloc(40_000 - 4), () => left++);
    expect(said(connection).at(-3)).toBe("c000");
    expect(said(connection).at(-1)).toBe("c000");
    await vi.advanceTimersByTimeAsync(100);
    connection.say(PINGRESP);
    expect(left).toBe(0);
    await vi.advanceTimersByTimeAsync(4000);
    // It waits behind the message, for longer than else.
    session.check();
    await vi.advanceTimersByTimeAsync(3500);
    connection.say(PINGRESP);
    expect(left).toBe(1);
    expect(Math.round(speed.msFor(40_004))).toBe(7500);
    await session.close(false);
  });

  it("pings after 10 s of silence on either side, and is lost after 15", async () => {
    const told = await opened();
    const { connection, session } = told;
    const pings = (): number => said(connection).filter((hex) => hex === "c000").length;
    await vi.advanceTimersByTimeAsync(9_999);
    expect(pings()).toBe(0);
    await vi.advanceTimersByTimeAsync(1);
    expect(pings()).toBe(1);
    connection.say(PINGRESP);
    // What is sent all the time says nothing of the broker, what comes all the time nothing to it.
    for (let i = 0; i < 11; i++) {
      session.publish("x", Buffer.of(1));
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(pings()).toBe(2);
    connection.say(PINGRESP);
    for (let i = 0; i < 11; i++) {
      connection.say(publish(topic, Buffer.of(1)));
      await vi.advanceTimersByTimeAsync(1000);
    }
    expect(pings()).toBe(3);
    await vi.advanceTimersByTimeAsync(13_900);
    expect(told.ended).toBeUndefined();
    await vi.advanceTimersByTimeAsync(200);
    expect(told.ended).toMatchObject({ reason: "lost", message: "silent for 15 s" });
    expect(connection.state).toBe("destroyed");
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is lost 3 s after a ping on suspicion, unless anything comes", async () => {
    const told = await opened();
    const { connection, session } = told;
    session.check();
    session.check();
    expect(said(connection).filter((hex) => hex === "c000")).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(2900);
    connection.say(PINGRESP);
    await vi.advanceTimersByTimeAsync(1000);
    expect(told.ended).toBeUndefined();
    session.check();
    await vi.advanceTimersByTimeAsync(3000);
    expect(told.ended).toMatchObject({ reason: "lost", message: "no answer to a ping within 3000 ms" });
  });

  it("is lost at once when the address that it left by is gone", async () => {
    const told = await opened();
    const { connection, session } = told;
    connection.isStranded = true;
    session.check();
    expect(connection.state).toBe("destroyed");
    expect(vi.getTimerCount()).toBe(0);
    expect(told.ended).toMatchObject({ reason: "lost" });
  });

  it("tells how it was closed, once", async () => {
    const told = await opened();
    told.connection.events.onClose(new Error("connection reset (ECONNRESET)"));
    expect(told.ended).toMatchObject({ reason: "lost", message: "connection reset (ECONNRESET)" });
    expect(told.session.publish("x", Buffer.of(1))).toBe(false);
    told.session.check();
    await told.session.close(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("says goodbye, and waits half a second at most for the connection to end", async () => {
    const told = await opened();
    const closing = told.session.close(true);
    expect(said(told.connection).at(-1)).toBe("e000");
    expect(told.connection.state).toBe("ended");
    // What comes now is nobody's any more, whatever it is.
    told.connection.say(publish(topic, Buffer.from("late")), Buffer.alloc(100));
    await vi.advanceTimersByTimeAsync(500);
    await closing;
    expect(told.connection.state).toBe("destroyed");
    expect([told.messages, told.ended]).toEqual([[], undefined]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it("is over at the first byte that tells, and takes nothing behind it", async () => {
    const told = await opened();
    told.connection.say(publish(topic, Buffer.from("a")), Buffer.of(0x62), publish(topic, Buffer.from("b")));
    expect(told.messages).toEqual(["a"]);
    expect(told.ended).toMatchObject({
      reason: "protocol",
      message: "broke the MQTT protocol: PUBREL, which has no place here",
    });
    expect(told.connection.state).toBe("destroyed");
  });

  it("may be closed by what it hands on", async () => {
    const closing: Promise<void>[] = [];
    const messages: string[] = [];
    const told = await opened({
      subscribers: () => [
        makeSubscriber({
          onMessage: (payload) => {
            messages.push(Buffer.from(payload).toString());
            closing.push(told.session.close(false));
          },
        }),
      ],
    });
    told.connection.say(publish(topic, Buffer.from("a"), 1, 1), publish(topic, Buffer.from("b"), 1, 2));
    await Promise.all(closing);
    expect(messages).toEqual(["a"]);
    expect(told.ended).toBeUndefined();
  });

  it("is left after it brought more than can be read for 10 s, and not for much that is read", async () => {
    const flooded = await opened();
    const busy = await opened();
    const many = Buffer.alloc(65_000, publish(topic, Buffer.alloc(0)));
    const whole = many.subarray(0, many.length - (many.length % 70));
    for (let ms = 0; ms < 11_000 && flooded.ended === undefined; ms++) {
      if (!flooded.connection.isPaused) flooded.connection.say(whole);
      // A thousand a second, in bursts.
      if (ms % 100 === 0) busy.connection.say(whole.subarray(0, 7000));
      await vi.advanceTimersByTimeAsync(1);
      await nextTurn();
    }
    expect(flooded.ended).toMatchObject({
      reason: "flood",
      message: "sent more than could be read for 10 s",
    });
    expect(flooded.connection.state).toBe("destroyed");
    expect(busy.ended).toBeUndefined();
  });

  it("is left at once where reading cannot be paused, and too much waits", async () => {
    const told = await opened();
    const chunk = Buffer.alloc(700_000, publish(topic, Buffer.alloc(0)));
    for (let i = 0; i < 10; i++) told.connection.say(chunk);
    expect(told.ended).toMatchObject({ reason: "flood", message: "sent more than could be read" });
  });

  it("is not even begun where no connection can", async () => {
    const target: SocketTarget = { ...TARGET, transport: "ws", host: "no%host" };
    await expect(begin({ target }).link).rejects.toMatchObject({
      reason: "unreachable",
      message: "Invalid URL",
    });
    expect(vi.getTimerCount()).toBe(0);
  });
});

describe("an open session", () => {
  const others = Array.from({ length: 70 }, (_, i) => `03${i.toString(16).padStart(64, "0")}`);
  const subscribeTo = (id: number, topics: readonly string[]): string =>
    packet(
      0x82,
      Buffer.of(0, id),
      ...topics.map((name) => Buffer.concat([Buffer.of(0, 66), Buffer.from(name), Buffer.of(1)])),
    ).toString("hex");
  const grant = (id: number, count: number): Buffer =>
    packet(0x90, Buffer.of(0, id, ...Array.from({ length: count }, () => 1)));

  it("is asked for what is wanted in one turn by one packet, and for the rest when that is answered", async () => {
    const { connection, session } = await opened();
    const answers: string[] = [];
    for (const name of others)
      session.subscribe(makeSubscriber({ topic: name, onAnswer: () => answers.push(name) }));
    await nextTurn();
    expect(said(connection).slice(2)).toEqual([subscribeTo(2, others.slice(0, 64))]);
    session.subscribe(makeSubscriber({ topic: TOPIC.replace("02", "03") }));
    await nextTurn();
    expect(said(connection)).toHaveLength(3);
    connection.say(grant(2, 64));
    expect(answers).toEqual(others.slice(0, 64));
    await nextTurn();
    expect(said(connection).at(-1)).toBe(subscribeTo(3, [...others.slice(64), TOPIC.replace("02", "03")]));
  });

  it("leaves a topic, and passes over what comes late on it", async () => {
    const told = await opened();
    const { connection, session } = told;
    const [name = ""] = others;
    const messages: string[] = [];
    const other = makeSubscriber({ topic: name, onMessage: (payload) => messages.push(String(payload)) });
    session.subscribe(other);
    await nextTurn();
    connection.say(grant(2, 1), publish(Buffer.from(name), Buffer.of(1)));
    await nextTurn();
    session.unsubscribe(other);
    connection.say(publish(Buffer.from(name), Buffer.of(2)));
    await nextTurn();
    expect(said(connection).at(-1)).toBe(
      packet(0xa2, Buffer.of(0, 3, 0, 66), Buffer.from(name)).toString("hex"),
    );
    connection.say(publish(Buffer.from(name), Buffer.of(3), 1, 9), packet(0xb0, Buffer.of(0, 3)));
    connection.say(publish(Buffer.from(name), Buffer.of(4)), publish(topic, Buffer.from("still there")));
    expect([messages, told.messages, told.ended]).toEqual([["1"], ["still there"], undefined]);
    connection.say(publish(Buffer.from(others[1] ?? ""), Buffer.of(5)));
    expect(told.ended).toMatchObject({ reason: "protocol" });
  });

  it("is lost when it answers no subscription within 4 s", async () => {
    const told = await opened();
    told.session.subscribe(makeSubscriber({ topic: others[0] ?? "" }));
    await nextTurn();
    await vi.advanceTimersByTimeAsync(3900);
    expect(told.ended).toBeUndefined();
    await vi.advanceTimersByTimeAsync(200);
    expect(told.ended).toMatchObject({
      reason: "lost",
      message: "no answer to a subscription within 4000 ms",
    });
    expect(vi.getTimerCount()).toBe(0);
  });

  it("goes on when it has refused one", async () => {
    const told = await opened();
    const answers: (string | undefined)[] = [];
    const other = makeSubscriber({
      topic: others[0] ?? "",
      onAnswer: (error) => answers.push(error?.message),
    });
    told.session.subscribe(other);
    await nextTurn();
    told.connection.say(packet(0x90, Buffer.of(0, 2, 0x80)), publish(topic, Buffer.from("still there")));
    await nextTurn();
    expect([answers, told.messages, told.ended]).toEqual([
      ["wanted QoS 1, refused"],
      ["still there"],
      undefined,
    ]);
  });
});

describe("a set of links", () => {
  it("knows of a session that ended in the same breath in which it was opened", async () => {
    const latest = memoryConnections();
    const states: string[] = [];
    const connections = makeConnections();
    const links = makeLinks(connections, {
      onState: ({ state, lastError }) => states.push(`${state} ${lastError?.message ?? ""}`),
    });
    links.dial({ host: "broker.example", family: "IPv4", weight: 1, port: 1883 });
    await vi.advanceTimersByTimeAsync(0);
    latest().events.onOpen();
    latest().say(CONNACK);
    latest().say(SUBACK, Buffer.of(0));
    latest().events.onClose(undefined);
    await nextTurn();
    expect(states.at(-1)).toBe("waiting closed by the broker");
    await connections.close(false);
  });
});
