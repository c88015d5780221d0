import { execFile } from "node:child_process";
import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { EventEmitter, once } from "node:events";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from "vitest";
import { AbortError, SidewireError } from "../src/base/errors.js";
import { type NtpClock, type NtpClockOptions, ntpClock } from "../src/node/ntp-clock.js";
import type * as LookUpModule from "../src/platform/look-up.js";
import { startEmbeddedBroker } from "./support/embedded-broker.js";
import { poolOf, record, startPeer, use } from "./support/peers.js";

/** Names with several addresses, which the system's resolver has no reason to know. */
const TWO_FAMILIES = "two-families.test";
const THREE_ADDRESSES = "three-addresses.test";
vi.mock("../src/platform/look-up.js", async (importOriginal) => {
  const { lookUp } = await importOriginal<typeof LookUpModule>();
  const known: typeof lookUp = async (host, ...rest) => {
    if (host === TWO_FAMILIES) return ["::1", "127.0.0.1", "127.0.0.2"];
    if (host === THREE_ADDRESSES) return ["127.0.0.1", "127.0.0.2", "127.0.0.3"];
    return await lookUp(host, ...rest);
  };
  return { lookUp: known };
});

const HOUR = 3_600_000;
const realPerformance = performance.now.bind(performance);

/** Time that has passed on the monotonic clock without a test waiting for it, ms. */
let skipped = 0;
beforeEach(() => {
  skipped = 0;
  vi.spyOn(performance, "now").mockImplementation(() => realPerformance() + skipped);
  vi.spyOn(Date, "now").mockImplementation(() => Math.floor(truth()));
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

/** The time that the servers of these tests take for the right one, Unix ms. */
function truth(): number {
  return performance.timeOrigin + performance.now();
}

/** What a server sends back for a request: by default the one right answer. */
type Answering = (answer: Buffer, send: (packet: Buffer) => void, request: Buffer, from: RemoteInfo) => void;

interface NtpServerOptions {
  readonly host?: string;
  readonly port?: number;
  readonly aheadMs?: number;
  readonly answering?: Answering;
}

/** An NTP server on loopback, written from RFC 5905, figure 8, on its own. */
class NtpServer {
  readonly requests: { readonly packet: Buffer; readonly from: RemoteInfo; readonly at: number }[] = [];
  /** How far its clock is ahead of {@link truth}. */
  aheadMs: number;
  answering: Answering;
  readonly #socket: Socket;
  #closed = false;
  readonly #events = new EventEmitter().setMaxListeners(0);

  private constructor(
    socket: Socket,
    { aheadMs = 0, answering = (answer, send) => send(answer) }: NtpServerOptions,
  ) {
    this.#socket = socket;
    this.aheadMs = aheadMs;
    this.answering = answering;
    socket.on("message", (packet, from) => {
      const arrived = truth() + this.aheadMs;
      this.requests.push({ packet, from, at: realPerformance() });
      this.#events.emit("request");
      const answer = Buffer.alloc(48);
      answer[0] = (4 << 3) | 4; // no leap second, version 4, server
      answer[1] = 1;
      answer[3] = 0xec; // 2^-20 s
      answer.write("TEST", 12);
      packet.copy(answer, 24, 40, 48);
      writeTime(answer, 32, arrived);
      writeTime(answer, 40, truth() + this.aheadMs);
      const send = (reply: Buffer): void => {
        if (!this.#closed) socket.send(reply, from.port, from.address);
      };
      this.answering(answer, send, packet, from);
    });
  }

  static async start(options: NtpServerOptions = {}): Promise<NtpServer> {
    const { host = "127.0.0.1", port = 0 } = options;
    const socket = createSocket(host.includes(":") ? "udp6" : "udp4");
    const server = new NtpServer(socket, options);
    socket.bind(port, host);
    await once(socket, "listening");
    onTestFinished(() => {
      server.#closed = true;
      socket.close();
    });
    return server;
  }

  get port(): number {
    return this.#socket.address().port;
  }

  /** As the option takes it. */
  get name(): string {
    const { address, family, port } = this.#socket.address();
    return family === "IPv6" ? `[${address}]:${port}` : `${address}:${port}`;
  }

  /** Resolves when so many requests in all have come. */
  asked(times: number): Promise<void> {
    return this.until(() => this.requests.length >= times);
  }

  /** When the polls began that the requests belong to: each comes from a port of its own. */
  get polls(): number[] {
    const isFirst = (port: number, i: number): boolean => port !== this.requests[i - 1]?.from.port;
    return this.requests.flatMap(({ from, at }, i) => (isFirst(from.port, i) ? [at] : []));
  }

  /** Resolves when an answer sent from now on has been taken over: the poll after the next one has begun. */
  async heard(): Promise<void> {
    const enough = this.polls.length + 2;
    await this.until(() => this.polls.length >= enough);
  }

  /** Resolves when the condition holds, looked at after every request. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await once(this.#events, "request");
  }
}

function startServers(aheadMs: readonly number[]): Promise<NtpServer[]> {
  return Promise.all(aheadMs.map((ahead) => NtpServer.start({ aheadMs: ahead })));
}

/** NTP's 32 bits of seconds since 1900, or since 2036, and 32 bits of their fraction. */
function writeTime(packet: Buffer, offset: number, unixMs: number): void {
  const fixed = BigInt(Math.round(unixMs * 2 ** 20)) * 2n ** 12n;
  packet.writeBigUInt64BE(BigInt.asUintN(64, fixed / 1000n + (2_208_988_800n << 32n)), offset);
}

/** A clock that is closed at the end of the test. */
async function startClock(servers: readonly NtpServer[], options: NtpClockOptions = {}): Promise<NtpClock> {
  const clock = await ntpClock({ servers: servers.map(({ name }) => name), ...options });
  onTestFinished(() => clock.close());
  return clock;
}

/** How far the clock is ahead of {@link truth}, ms. */
function aheadOfTruth(clock: NtpClock): number {
  return clock.now() - truth();
}

/** The clock is so far ahead of {@link truth}, as exactly as it says itself. */
function expectHonest(clock: NtpClock, aheadMs: number): void {
  // The two are read one after the other, and a busy machine may pause in between: the best of some.
  const bound = clock.errorBoundMs;
  const misses = Array.from({ length: 5 }, () => Math.abs(aheadOfTruth(clock) - aheadMs));
  expect(Math.min(...misses)).toBeLessThanOrEqual(bound + 0.01);
}

/** The same, and it does not say so vaguely. */
function expectAhead(clock: NtpClock, aheadMs: number): void {
  expectHonest(clock, aheadMs);
  expect(clock.errorBoundMs).toBeLessThan(500);
}

/** The error that there is no time. */
async function refusal(options: NtpClockOptions): Promise<SidewireError> {
  const error: unknown = await ntpClock(options).then(
    (clock) => clock.close(),
    (reason) => reason,
  );
  if (!(error instanceof SidewireError)) throw new Error("expected a SidewireError", { cause: error });
  expect(error.code).toBe("NO_TIME");
  return error;
}

/** Where timers are fake: lets clocks look at the system's clock, and ask and be answered if they want to. */
async function watched(): Promise<void> {
  vi.advanceTimersByTime(5000);
  for (let turns = 0; turns < 100; turns++) await new Promise(setImmediate);
}

const silent: Answering = () => {};

function kiss(code: string): Answering {
  return (answer, send) => {
    answer[1] = 0;
    answer.write(code, 12);
    send(answer);
  };
}

describe("ntpClock", () => {
  it.each([0, 12.5, HOUR, -HOUR, 20 * 365 * 24 * HOUR])(
    "shows the time of a server %d ms ahead",
    async (aheadMs) => {
      const clock = await startClock([await NtpServer.start({ aheadMs })]);
      expectAhead(clock, aheadMs);
      expect(clock.errorBoundMs).toBeGreaterThan(0);
      expect(Math.abs(clock.offsetMs - aheadMs)).toBeLessThan(500);
      expect(clock.now() - clock.updatedAt).toBeGreaterThanOrEqual(0);
      expect(clock.now() - clock.updatedAt).toBeLessThan(5000);
    },
  );

  it("asks with nothing but its version and eight random bytes, once", async () => {
    const server = await NtpServer.start();
    const { now } = await startClock([server]);
    await startClock([server]);
    const cookies = server.requests.map(({ packet }) => packet.toString("hex", 40));
    for (const { packet } of server.requests) {
      expect(packet.toString("hex", 0, 40)).toBe(`23${"00".repeat(39)}`);
      expect(packet).toHaveLength(48);
    }
    expect(new Set(cookies).size).toBe(2);
    expect(new Set(server.requests.map(({ from }) => from.port)).size).toBe(2);
    expect(now()).toBeGreaterThan(1.7e12); // unbound
  });

  it.each(["127.0.0.1", "::1"])("takes a server at %s", async (host) => {
    const server = await NtpServer.start({ host, aheadMs: HOUR });
    expectAhead(await startClock([server]), HOUR);
  });

  it("takes a server by its name", async () => {
    const server = await NtpServer.start({ aheadMs: HOUR });
    const clock = await ntpClock({ servers: [`LocalHost:${server.port}`] });
    clock.close();
    expectAhead(clock, HOUR);
  });

  it("asks one address of each family, counts the first answer, and lets go of the other", async () => {
    const one = await NtpServer.start({ aheadMs: HOUR });
    const other = await NtpServer.start({ host: "::1", port: one.port, answering: silent });
    const second = await NtpServer.start({ host: "127.0.0.2", port: one.port });
    const clock = await startClock([], {
      servers: [`${TWO_FAMILIES}:${one.port}`],
      timeoutMs: 20,
      refreshMs: 100,
    });
    expectAhead(clock, HOUR);
    await one.asked(3);
    expect(other.requests.length).toBeLessThanOrEqual(3); // none a second time
    expect(second.requests).toEqual([]);
  });

  it.each([
    ["is closed", undefined],
    ["swallows the requests", silent],
    ["gives no usable answer", (answer: Buffer, send: (packet: Buffer) => void) => send(answer.fill(0, 24))],
    [
      "asks to be left alone",
      (answer: Buffer, send: (packet: Buffer) => void) => {
        answer[1] = 0;
        answer.write("DENY", 12);
        send(answer);
      },
    ],
  ])("goes on to a name's next address when the first %s", async (_, answering) => {
    const second = await NtpServer.start({ host: "127.0.0.2", aheadMs: HOUR });
    const { port } = second;
    const first = answering && (await NtpServer.start({ port, answering }));
    const third = await NtpServer.start({ host: "127.0.0.3", port });
    expectAhead(await startClock([], { servers: [`${THREE_ADDRESSES}:${port}`] }), HOUR);
    expect([first?.requests.length ?? 1, second.requests.length, third.requests.length]).toEqual([1, 1, 0]);
  });

  it("asks a name's further addresses one after the other, no faster than the network can answer", async () => {
    const third = await NtpServer.start({ host: "127.0.0.3", aheadMs: HOUR });
    const { port } = third;
    const silentOnes = await Promise.all(
      ["127.0.0.1", "127.0.0.2"].map((host) => NtpServer.start({ host, port, answering: silent })),
    );
    expectAhead(await startClock([], { servers: [`${THREE_ADDRESSES}:${port}`] }), HOUR);
    const times = [...silentOnes, third].map(({ requests }) => requests[0]?.at ?? Number.NaN);
    const pauses = times.slice(1).map((at, i) => at - (times[i] ?? Number.NaN));
    for (const pause of pauses) expect(pause).toBeGreaterThan(150);
  });

  it("counts a server once, however often it is named", async () => {
    const [right, other, liar] = await startServers([0, 0, HOUR]);
    const names = [
      `localhost:${liar?.port}`,
      `LocalHost:${liar?.port}`,
      right?.name ?? "",
      other?.name ?? "",
    ];
    const clock = await startClock([], { servers: names });
    expectAhead(clock, 0);
    expect(liar?.requests).toHaveLength(1);
  });

  it("asks again half-way when the first request is lost", async () => {
    let losses = 1;
    const server = await NtpServer.start({
      answering: (answer, send) => {
        if (losses-- <= 0) send(answer);
      },
    });
    await startClock([server], { timeoutMs: 200 });
    expect(server.requests).toHaveLength(2);
    expect(server.requests[0]?.packet.equals(server.requests[1]?.packet ?? Buffer.of())).toBe(false);
  });

  it.each([
    ["the last second of era 0", Date.UTC(2036, 1, 7, 6, 28, 15, 500)],
    ["the first second of era 1", Date.UTC(2036, 1, 7, 6, 28, 16, 500)],
    ["2040", Date.UTC(2040, 0, 1)],
    ["2103", Date.UTC(2103, 0, 1)],
    ["1999", Date.UTC(1999, 11, 31)],
  ])("knows the era in %s", async (_, unixMs) => {
    const aheadMs = unixMs - truth();
    const clock = await startClock([await NtpServer.start({ aheadMs })]);
    expectAhead(clock, aheadMs);
  });

  it("bears an answer that came in before the turn of the era and left after it", async () => {
    const turn = Date.UTC(2036, 1, 7, 6, 28, 16);
    const server = await NtpServer.start({
      answering: (answer, send) => {
        writeTime(answer, 32, turn - 1.5);
        writeTime(answer, 40, turn + 1.5); // it seems to have taken longer than there and back …
        answer[3] = 0xf8; // … as its clock ticks in steps of 2^-8 s
        send(answer);
      },
    });
    const clock = await startClock([server]);
    expect(Math.abs(clock.updatedAt - turn)).toBeLessThan(500);
    expect(clock.errorBoundMs).toBeGreaterThanOrEqual(1000 / 2 ** 8);
  });
});

describe("several servers", () => {
  it.each([0, 1, 2])("outvote one of three that lies (no. %i)", async (place) => {
    for (const lie of [HOUR, -HOUR, 5000]) {
      const servers = await startServers([0, 1, 2].map((i) => (i === place ? lie : 0)));
      const clock = await startClock(servers);
      expectAhead(clock, 0);
    }
  });

  it("outvote two of five that lie together", async () => {
    const clock = await startClock(await startServers([HOUR, 0, 0, HOUR, 0]));
    expectAhead(clock, 0);
  });

  it("bound the error by how far they differ", async () => {
    const clock = await startClock(await startServers([-400, 0, 400]));
    expectAhead(clock, 0);
    expect(clock.errorBoundMs).toBeGreaterThanOrEqual(400);
  });

  it("are not believed when no majority agrees, and the error shows what each said", async () => {
    const [early, late] = await startServers([0, 2 * HOUR]);
    const names = [early?.name ?? "", late?.name ?? ""];
    const { message } = await refusal({ servers: names });
    const said = [...message.matchAll(/: (\d{4}-[^;)]+Z)/g)].map(([, time = ""]) => Date.parse(time));
    expect(message).toMatch("the time servers disagree");
    for (const name of names) expect(message).toMatch(name);
    expect((said[1] ?? 0) - (said[0] ?? 0)).toBeGreaterThan(2 * HOUR - 1000);
  });

  it("are not believed when each of three says something else", async () => {
    await refusal({ servers: (await startServers([0, 2 * HOUR, 4 * HOUR])).map(({ name }) => name) });
  });

  it("are not believed either when two of them are some seconds apart", async () => {
    await refusal({ servers: (await startServers([0, 5000])).map(({ name }) => name) });
    const clock = await startClock(await startServers([0, 1000])); // as when one of them smears a leap second
    expect(clock.errorBoundMs).toBeGreaterThanOrEqual(500);
    expect(Math.abs(aheadOfTruth(clock) - 500)).toBeLessThan(400);
  });

  it("need not all answer, and the wait is not for the silent one", async () => {
    const servers = [await NtpServer.start({ answering: silent }), ...(await startServers([HOUR, HOUR]))];
    const before = realPerformance();
    const clock = await startClock(servers, { timeoutMs: 15_000 });
    expect(realPerformance() - before).toBeLessThan(5000);
    expectAhead(clock, HOUR);
  });

  it("count by those that answer, when one of two is silent", async () => {
    const servers = [await NtpServer.start({ answering: silent }), ...(await startServers([HOUR]))];
    const clock = await startClock(servers, { timeoutMs: 100 });
    expectAhead(clock, HOUR);
  });
});

describe("when there is no time", () => {
  it("names every server with its reason", async () => {
    const mute = await NtpServer.start({ answering: silent });
    const rude = await NtpServer.start({ answering: kiss("RATE") });
    const closed = await freePort();
    const servers = [
      mute.name,
      rude.name,
      `127.0.0.1:${closed}`,
      "no such host.invalid".replaceAll(" ", "-"),
    ];
    const { message } = await refusal({ servers, timeoutMs: 300 });
    expect(message).toMatch("no time server answered");
    expect(message).toMatch(`${mute.name}: no answer within 300 ms`);
    expect(message).toMatch(`${rude.name}: kiss-o'-death RATE`);
    expect(message).toMatch(new RegExp(`127.0.0.1:${closed}: .*ECONNREFUSED`));
    expect(message).toMatch("no-such-host.invalid: ");
  });

  const reasons: [string, RegExp, (answer: Buffer) => Buffer | undefined][] = [
    ["leap indicator 3", /not synchronised/, (a) => set(a, 0, 0xe4)],
    ["stratum 16", /not synchronised/, (a) => set(a, 1, 16)],
    ["stratum 255", /not synchronised/, (a) => set(a, 1, 255)],
    ["stratum 0", /kiss-o'-death INIT/, (a) => set(a, 1, 0).fill("INIT", 12, 16)],
    ["stratum 0 and no code", /kiss-o'-death(;|\)| )/, (a) => set(a, 1, 0).fill(0, 12, 16)],
    ["no transmit timestamp", /impossible timestamps/, (a) => a.fill(0, 40)],
    ["no receive timestamp", /impossible timestamps/, (a) => a.fill(0, 32, 40)],
    ["no timestamps at all", /impossible timestamps/, (a) => a.fill(0, 32)],
    ["a departure before the arrival", /impossible timestamps/, (a) => time(a, 32, truth() + 1000)],
    ["a longer stay than the round trip", /impossible timestamps/, (a) => time(a, 40, truth() + 1000)],
    ["a root dispersion of 2 s", /uncertain by [2-9]\d{3} ms/, (a) => set(a, 9, 2)],
    ["a root delay of 4 s", /uncertain by [2-9]\d{3} ms/, (a) => set(a, 5, 4)],
    ["a precision of 4 s", /uncertain by [4-9]\d{3} ms/, (a) => set(a, 3, 2)],
    ["another's origin timestamp", /no answer/, (a) => set(a, 27, (a[27] ?? 0) ^ 1)],
    ["no origin timestamp", /no answer/, (a) => a.fill(0, 24, 32)],
    ["the mode of a client", /no answer/, (a) => set(a, 0, 0x23)],
    ["the mode of a broadcast", /no answer/, (a) => set(a, 0, 0x25)],
    ["47 bytes", /no answer/, (a) => a.subarray(0, 47)],
    ["nothing in it", /no answer/, () => Buffer.alloc(0)],
    ["text in it", /no answer/, () => Buffer.from("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(3))],
  ];
  it.each(reasons)("does not take an answer with %s", async (_, reason, spoil) => {
    const server = await NtpServer.start({ answering: (answer, send) => send(spoil(answer) ?? answer) });
    const timeoutMs = reason.source === "no answer" ? 100 : 10_000;
    expect((await refusal({ servers: [server.name], timeoutMs })).message).toMatch(reason);
  });

  it("is not thrown off by any bytes", async () => {
    let bytes: Uint8Array = Buffer.alloc(48);
    const server = await NtpServer.start({
      answering: (answer, send) => {
        const packet = Buffer.from(bytes);
        packet[0] = ((packet[0] ?? 0) & 0xf8) | 4;
        send(Buffer.concat([packet.subarray(0, 24), answer.subarray(24, 32), packet.subarray(32)]));
      },
    });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 48, maxLength: 120 }), async (packet) => {
        bytes = packet;
        const outcome: unknown = await ntpClock({ servers: [server.name] }).catch((error) => error);
        if (outcome instanceof SidewireError) expect(outcome.code).toBe("NO_TIME");
        else expect(outcome).toHaveProperty("now");
        if (typeof outcome === "object" && outcome !== null && "close" in outcome) Object(outcome).close();
      }),
      { numRuns: 200 },
    );
  });
});

describe("a forger", () => {
  it("is passed over, and the server's own answer counts", async () => {
    const server = await NtpServer.start({
      answering: (answer, send) => {
        for (const origin of [Buffer.alloc(8), Buffer.alloc(8, 0xff), answer.subarray(32, 40)]) {
          const forged = time(time(Buffer.from(answer), 32, truth() + HOUR), 40, truth() + HOUR);
          origin.copy(forged, 24);
          send(forged);
          send(set(Buffer.from(forged), 1, 0).fill("DENY", 12, 16)); // nor can it make us stop asking
        }
        send(answer.subarray(0, 20));
        send(answer);
      },
    });
    const clock = await startClock([server], { refreshMs: 10 });
    await server.asked(3);
    expectAhead(clock, 0);
  });

  it("is not heard from another port, though it saw the request", async () => {
    const forger = createSocket("udp4");
    onTestFinished(() => void forger.close());
    const server = await NtpServer.start({
      answering: (answer, send, _, from) => {
        const forged = time(time(Buffer.from(answer), 32, truth() + HOUR), 40, truth() + HOUR);
        forger.send(forged, from.port, from.address, () => send(answer));
      },
    });
    expectAhead(await startClock([server]), 0);
  });

  it("gains nothing by an answer of before", async () => {
    let old: Buffer | undefined;
    const server = await NtpServer.start({
      answering: (answer, send) => {
        old ??= Buffer.from(answer);
        send(old);
        send(answer);
      },
    });
    const clock = await startClock([server], { refreshMs: 10 });
    skipped += HOUR;
    await server.heard();
    expectAhead(clock, 0);
  });
});

describe("a kiss-o'-death", () => {
  it.each(["DENY", "RSTR"])("%s is for ever", async (code) => {
    const [rude, kind] = [await NtpServer.start({ answering: kiss(code) }), await NtpServer.start()];
    await startClock([rude, kind], { refreshMs: 10 });
    for (let times = 0; times < 3; times++) {
      skipped += 1000 * HOUR;
      await kind.heard();
    }
    expect(rude.requests).toHaveLength(1);
  });

  it("RATE halves how often it is asked, each time", async () => {
    const [rude, kind] = [await NtpServer.start({ answering: kiss("RATE") }), await NtpServer.start()];
    await startClock([rude, kind], { refreshMs: 10 });
    for (const [times, pause] of [32_000, 64_000, 128_000].entries()) {
      await kind.heard();
      skipped += pause - 16_000;
      await kind.heard();
      expect(rude.requests).toHaveLength(times + 1);
      skipped += 16_000;
      await kind.heard();
      expect(rude.requests).toHaveLength(times + 2);
    }
  });

  it("of another kind asks for nothing", async () => {
    const [starting, kind] = [await NtpServer.start({ answering: kiss("INIT") }), await NtpServer.start()];
    await startClock([starting, kind], { refreshMs: 10 });
    await starting.asked(3);
  });
});

describe("between and after corrections", () => {
  it("takes the best of several answers of a server, by the time they took", async () => {
    const delays = [200, 0, 200, 200];
    const server = await NtpServer.start({
      answering: (answer, send) => {
        setTimeout(() => send(answer), delays[Math.min(server.requests.length, delays.length) - 1]);
      },
    });
    const clock = await startClock([server], { refreshMs: 10 });
    expect(clock.errorBoundMs).toBeGreaterThanOrEqual(99);
    expectAhead(clock, -100); // half of what the way back took longer
    await server.asked(5);
    expect(clock.errorBoundMs).toBeLessThan(80);
    expectAhead(clock, 0);
  });

  it("goes forward at once, and back at half speed", async () => {
    const server = await NtpServer.start();
    const clock = await startClock([server], { refreshMs: 10, timeoutMs: 400 });
    server.aheadMs = 2000;
    await server.until(() => aheadOfTruth(clock) > 1500);
    expectAhead(clock, 2000);
    server.answering = (answer, send) => {
      server.answering = silent; // no correction but this one
      send(answer);
    };
    server.aheadMs = 0;
    await server.asked(server.requests.length + 3);
    const [then, from] = [clock.now(), performance.now()];
    skipped += 1000;
    expect((clock.now() - then) / (performance.now() - from)).toBeCloseTo(0.5, 1);
    expect(clock.errorBoundMs).toBeGreaterThanOrEqual(aheadOfTruth(clock));
    // Steps too small for the sum, which is kept in 1/4096 ms: it must not step back for being rounded.
    const frozen = performance.now();
    vi.mocked(performance.now).mockImplementation(() => frozen + skipped - 1000);
    for (let steps = 0, last = clock.now(); steps < 10_000; steps++) {
      skipped += 1e-5;
      const now = clock.now();
      expect(now >= last).toBe(true);
      last = now;
    }
    skipped += 3500;
    expectAhead(clock, 0);
  });

  it("never goes back, whatever the servers say, and knows how far it is off", async () => {
    await fc.assert(
      fc.asyncProperty(
        // Whole seconds: a server that shifts by less than an answer is sure of is no server whose time is known.
        fc.array(
          fc.record({ aheadS: fc.integer({ min: -5, max: 5 }), skip: fc.integer({ min: 0, max: 9000 }) }),
          {
            minLength: 1,
            maxLength: 4,
          },
        ),
        async (steps) => {
          const server = await NtpServer.start();
          const clock = await startClock([server], { refreshMs: 10 });
          let last = clock.now();
          const look = (): void => {
            for (let times = 0; times < 100; times++) {
              const now = clock.now();
              expect(now).toBeGreaterThanOrEqual(last);
              last = now;
            }
          };
          for (const { aheadS, skip } of steps) {
            server.aheadMs = aheadS * 1000;
            look();
            await server.asked(server.requests.length + 1);
            look();
            await server.heard();
            look();
            expectHonest(clock, aheadS * 1000);
            skipped += skip;
            look();
          }
          clock.close();
        },
      ),
      { numRuns: 20 },
    );
  });

  it("knows less as time goes by: 100 ppm", async () => {
    const clock = await startClock([await NtpServer.start()]);
    const before = clock.errorBoundMs;
    skipped += 10 * HOUR;
    expect(clock.errorBoundMs - before).toBeCloseTo(3600, 0);
  });

  it("keeps the time when the servers fall silent, asks ever more rarely, and hears them again", async () => {
    const server = await NtpServer.start({ aheadMs: HOUR });
    const clock = await startClock([server], { refreshMs: 20, timeoutMs: 100 });
    server.answering = silent;
    const heard = server.polls.length;
    await server.until(() => server.polls.length >= heard + 7);
    const begun = server.polls.slice(heard);
    for (const [i, at] of begun.slice(1).entries()) {
      expect(at - (begun[i] ?? 0)).toBeGreaterThan(100 + 20 * 2 ** i - 60);
    }
    expectAhead(clock, HOUR);
    server.answering = (answer, send) => send(answer);
    server.aheadMs = 2 * HOUR;
    await server.until(() => aheadOfTruth(clock) > HOUR + 1000);
    expectAhead(clock, 2 * HOUR);
    server.answering = silent;
    const again = server.polls.length;
    await server.until(() => server.polls.length >= again + 2); // the wait is short again: 20 ms, not 1280 ms
    expect((server.polls[again + 1] ?? 0) - (server.polls[again] ?? 0)).toBeLessThan(1000);
  });

  it("keeps the time when the servers begin to contradict each other", async () => {
    const [one, other] = await startServers([0, 0]);
    if (one === undefined || other === undefined) throw new Error("two were started");
    const clock = await startClock([one, other], { refreshMs: 10 });
    other.aheadMs = HOUR;
    await one.asked(one.requests.length + 4);
    expectAhead(clock, 0);
  });
});

describe("the system's clock", () => {
  it("plays no part in the time", async () => {
    const server = await NtpServer.start();
    const right = await startClock([server]);
    vi.spyOn(Date, "now").mockImplementation(() => truth() - HOUR);
    const late = await startClock([server]);
    for (const clock of [right, late]) {
      expect(Math.abs(aheadOfTruth(clock))).toBeLessThan(500);
      expect(Math.abs(clock.offsetMs - HOUR)).toBeLessThan(500);
    }
  });

  it("tells of a sleep by its jump, so that the servers are asked within 5 s", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const server = await NtpServer.start();
    const clock = await startClock([server], { refreshMs: HOUR });
    const system = vi.spyOn(Date, "now");
    // Asleep for an hour: the monotonic clock stood still.
    system.mockImplementation(() => truth() + HOUR);
    server.aheadMs = HOUR;
    expect(Math.abs(aheadOfTruth(clock))).toBeLessThan(500);
    expect(clock.errorBoundMs).toBeGreaterThan(HOUR - 1000);
    vi.advanceTimersByTime(5000);
    await server.asked(2);
    while (clock.errorBoundMs > 1000) await new Promise(setImmediate);
    expectAhead(clock, HOUR);
    await watched();
    expect(server.requests).toHaveLength(2);
    // Once more, and this time nobody answers: the jump is no reason to ask again before it is due.
    system.mockImplementation(() => truth() + 2 * HOUR);
    server.answering = silent;
    await watched();
    await server.asked(3);
    vi.advanceTimersByTime(4000);
    await watched();
    const asked = server.requests.length;
    await watched();
    expect(server.requests).toHaveLength(asked);
  });

  it("tells of a sleep between question and answer", async () => {
    const server = await NtpServer.start({
      answering: (answer, send) => {
        vi.spyOn(Date, "now").mockImplementation(() => truth() + HOUR);
        send(answer);
      },
    });
    expect((await startClock([server])).errorBoundMs).toBeGreaterThan(HOUR - 1000);
  });

  it("may be an hour wrong: two routers understand each other by a clock of the servers", async () => {
    const broker = use(await startEmbeddedBroker());
    const servers = await startServers([0, 0, 0]);
    const right = await startClock(servers);
    const wrong = (): number => truth() - HOUR;
    vi.spyOn(Date, "now").mockImplementation(wrong);
    const pool = poolOf([broker]);
    const receiver = await startPeer(pool, { getTime: right.now });
    const shown = record(receiver);

    const naive = await startPeer(pool, { getTime: Date.now });
    const lost = await (await naive.pipe(receiver.address)).send("an hour old", { timeoutMs: 300 });
    expect([lost, shown]).toEqual([0, []]);

    const corrected = await startPeer(pool, { getTime: (await startClock(servers)).now });
    const receipt = await (await corrected.pipe(receiver.address)).deliver("right on time");
    expect(receipt.bytes).toBe(13);
    expect(Math.abs(receipt.remoteClockOffsetMs)).toBeLessThanOrEqual(1500);
    expect(shown.map((message) => message.text())).toEqual(["right on time"]);
    expect(Math.abs((shown[0]?.sentAt ?? 0) - truth())).toBeLessThan(5000);
  });
});

describe("options", () => {
  const wrong: [string, unknown][] = [
    ["options", null],
    ["options", 7],
    ["servers", "time.example"],
    ["servers", []],
    ["servers", Array.from({ length: 17 }, (_, i) => `${i}.example`)],
    ["servers[1]", 7],
    ...[
      "",
      " ",
      "a b",
      "http://time.example",
      "time.example:",
      "time.example:0",
      "time.example:65536",
      "time.example:ntp",
      "user@time.example",
      "[::1",
      "[::1]:0",
      "[127.0.0.1]:123",
      "[time.example]:123",
      "::1:99999",
    ].map((server): [string, unknown] => ["servers[1]", server]),
    ["timeoutMs", 9],
    ["timeoutMs", 60_001],
    ["timeoutMs", "100"],
    ["timeoutMs", Number.NaN],
    ["refreshMs", 9],
    ["refreshMs", Number.POSITIVE_INFINITY],
    ["signal", {}],
  ];
  it.each(wrong)("refuses a wrong %s: %j", async (path, value) => {
    const options: unknown = path === "options" ? value : { servers: ["127.0.0.1:9"] };
    if (path === "servers[1]") Object(options).servers = ["127.0.0.1:9", value];
    else if (path !== "options") Object(options)[path] = value;
    // Not what the types allow: that is what is tested.
    await expect(ntpClock(options as NtpClockOptions)).rejects.toMatchObject({
      code: "INVALID_OPTION",
      path,
    });
  });

  it("does not let the default servers be asked more than every 16 s", async () => {
    await expect(ntpClock({ refreshMs: 15_999 })).rejects.toMatchObject({ path: "refreshMs" });
  });
});

describe("a signal", () => {
  it("that has fired already stops it before anything is sent", async () => {
    const server = await NtpServer.start();
    const signal = AbortSignal.abort("enough");
    const error: unknown = await ntpClock({ servers: [server.name], signal }).catch((reason) => reason);
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ code: "ABORTED", cause: "enough" });
    expect(server.requests).toEqual([]);
  });

  it("ends the wait, and is let go", async () => {
    const server = await NtpServer.start({ answering: silent });
    const controller = new AbortController();
    const added = vi.spyOn(controller.signal, "addEventListener");
    const removed = vi.spyOn(controller.signal, "removeEventListener");
    const clock = ntpClock({ servers: [server.name], signal: controller.signal, timeoutMs: 60_000 });
    await server.asked(1);
    controller.abort("enough");
    await expect(clock).rejects.toMatchObject({ code: "ABORTED", cause: "enough" });
    expect(removed).toHaveBeenCalledTimes(added.mock.calls.length);
  });

  it("does nothing to a clock that runs", async () => {
    const server = await NtpServer.start();
    const controller = new AbortController();
    const removed = vi.spyOn(controller.signal, "removeEventListener");
    await startClock([server], { signal: controller.signal, refreshMs: 10 });
    expect(removed).toHaveBeenCalledTimes(1);
    controller.abort();
    await server.heard();
  });
});

describe("close", () => {
  it("ends the asking, twice is once, and the clock goes on", async () => {
    const server = await NtpServer.start({ aheadMs: HOUR });
    const clock = await startClock([server], { refreshMs: 10 });
    await server.heard();
    clock.close();
    clock[Symbol.dispose]();
    const probe = await startClock([server], { refreshMs: 10 });
    const others = server.requests.length;
    await server.asked(others + 10);
    const ports = new Set(server.requests.slice(others).map(({ from }) => from.port));
    probe.close();
    expect(ports.size).toBe(10);
    skipped += 1000;
    expectAhead(clock, HOUR);
  });

  it("lets go of answers that are in while the last server is waited for", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const servers = await startServers([0, 0, 0]);
    const [closed, open] = [await startClock(servers), await startClock(servers)];
    for (const [i, server] of servers.entries()) {
      server.aheadMs = HOUR;
      if (i === 2) server.answering = silent;
    }
    skipped += 2 * HOUR;
    await watched();
    expect(servers.map(({ requests }) => requests.length)).toEqual([4, 4, 4]);
    for (const clock of [closed, open]) expect(Math.abs(aheadOfTruth(clock))).toBeLessThan(1000);
    closed.close();
    // The other one's wait ends: what it takes over is what both had.
    vi.advanceTimersByTime(250);
    while (aheadOfTruth(open) < HOUR / 2) await new Promise(setImmediate);
    expect(Math.abs(aheadOfTruth(closed))).toBeLessThan(1000);
  });

  const endings: [string, string][] = [
    ["a closed clock", "clock.close()"],
    ["a clock closed while it asks", "setTimeout(() => clock.close(), 60)"],
    ["a clock that could not start", "clock.close(); await ntpClock(again).catch(() => {})"],
  ];
  it.each(endings)("lets a process end with %s, and nothing is left", async (_, ending) => {
    const server = await answeringOnce();
    const [left, shows] = await runWithClock(server, ending);
    expect([left, shows]).toEqual([[], true]);
  });

  it("is not needed for a process to end", async () => {
    const server = await answeringOnce();
    expect(await runWithClock(server, "")).toContain(true);
    expect(server.requests).toHaveLength(1);
    const other = await answeringOnce();
    const ending = "while (sockets < 2) await new Promise((resolve) => setTimeout(resolve, 5))";
    expect(await runWithClock(other, ending)).toContain(true);
    expect(other.requests).toHaveLength(2);
  });
});

/** A server that is silent after the first answer. */
function answeringOnce(): Promise<NtpServer> {
  let answers = 1;
  return NtpServer.start({
    answering: (answer, send) => {
      if (answers-- > 0) send(answer);
    },
  });
}

/** What a process has left when it ends by itself, and whether its clock shows a time. */
async function runWithClock(server: NtpServer, ending: string): Promise<unknown[]> {
  const options = { servers: [server.name], timeoutMs: 60_000, refreshMs: 20 };
  const source = new URL("../src/node/ntp-clock.ts", import.meta.url);
  const printed = await run(`
    import { createHook } from "node:async_hooks";
    import { ntpClock } from ${JSON.stringify(source)};
    const open = new Map();
    let sockets = 0;
    const init = (id, type) => {
      open.set(id, type);
      if (type === "UDPWRAP") sockets++;
    };
    createHook({ init, destroy: (id) => open.delete(id) }).enable();
    const left = () => [...open.values()].filter((type) => type === "UDPWRAP" || type === "Timeout");
    const options = ${JSON.stringify(options)};
    const again = { ...options, timeoutMs: 50 };
    const clock = await ntpClock(options);
    ${ending};
    process.on("exit", () => console.log(JSON.stringify([left(), clock.now() > 1.7e12])));
  `);
  return JSON.parse(printed);
}

/** Runs a module in a process of its own, until it ends by itself. */
function run(source: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const flags = ["--import", "tsx", "--input-type=module", "--eval", source];
    execFile(process.execPath, flags, { timeout: 15_000 }, (error, stdout, stderr) => {
      if (error) reject(new Error(stderr, { cause: error }));
      else resolve(stdout);
    });
  });
}

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  return port;
}

function set(packet: Buffer, offset: number, byte: number): Buffer {
  packet[offset] = byte;
  return packet;
}

function time(packet: Buffer, offset: number, unixMs: number): Buffer {
  writeTime(packet, offset, unixMs);
  return packet;
}
