import { createServer as createHttpServer } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { parser } from "mqtt-packet";
import { describe, expect, it } from "vitest";
import { openLink } from "../../src/brokers/broker-link.js";
import { LineSpeed } from "../../src/brokers/line-speed.js";
import { ReadScheduler } from "../../src/brokers/read-scheduler.js";
import { type BrokerEntry, BrokerError, type RouterOptions, type Transport } from "../../src/index.js";
import { TRANSPORTS } from "../../src/platform/transports.js";
import { freePort } from "../support/free-port.js";
import { makeSubscriber } from "../support/links.js";
import { type LittleServer, pem, startLittleServer } from "../support/little-server.js";
import { makePeer, use } from "../support/peers.js";

const HOST = "127.0.0.1";
const key = pem("server.key");
const CONNACK = Buffer.of(0x20, 2, 0, 0);

/** What the first attempt at a broker fails with. */
async function failureAt(
  entry: BrokerEntry,
  options: Partial<RouterOptions> = {},
  host = HOST,
): Promise<BrokerError> {
  const peer = makePeer({ IPv4: { [host]: entry } }, options);
  const failed = new Promise<BrokerError>((resolve) => {
    peer.on("broker", ({ state, error }) => {
      if (state === "waiting" && error instanceof BrokerError) resolve(error);
    });
  });
  const started = peer.start();
  started.catch(() => {});
  const failure = await failed;
  // Those who ask otherwise are told the same.
  await expect(started).rejects.toMatchObject({ brokers: [{ error: failure.message }] });
  expect(peer.stats().brokers).toMatchObject([{ lastError: failure.message }]);
  return failure;
}

/** An answer to whatever is said first. */
const answering =
  (...bytes: (string | Buffer)[]) =>
  (socket: Socket): void => {
    socket.once("data", () => {
      for (const some of bytes) socket.write(some);
    });
  };

const hangingUp = (socket: Socket): void => {
  socket.once("data", () => socket.end());
};

const head = (...lines: string[]): string => `${lines.join("\r\n")}\r\n\r\n`;

describe("what never was connected", () => {
  it("is a name that does not resolve", { timeout: 20_000 }, async () => {
    const failure = await failureAt({ port: 1883 }, {}, "nowhere.invalid");
    expect(failure.reason).toBe("dns");
    expect(failure.message).toMatch(/does not resolve/);
  });

  it("is a port that is closed", async () => {
    expect(await failureAt({ port: await freePort(HOST) })).toMatchObject({
      reason: "unreachable",
      message: "connection refused (ECONNREFUSED)",
    });
  });

  it.each<[string, (socket: Socket) => void, string]>([
    ["closed at once", (socket) => socket.end(), "closed before it answered"],
    [
      "reset at once",
      (socket) => socket.resetAndDestroy(),
      "connection reset (ECONNRESET) before it answered",
    ],
    ["closed when CONNECT has come", hangingUp, "closed before it answered"],
  ])("is a connection that is %s", async (_, answer, message) => {
    for (const field of ["port", "ws"] as const) {
      const { port } = await startLittleServer(answer);
      const failure = await failureAt({ [field]: port });
      expect(failure.reason).toBe("unreachable");
      expect([message, message.replace(" before it answered", "")]).toContain(failure.message);
      expect(failure.message).not.toContain("by the broker");
    }
  });

  it("is a subscription that ends the connection", async () => {
    const { port } = await startLittleServer((socket) => {
      socket.once("data", () => socket.end(CONNACK));
    });
    expect(await failureAt({ port })).toMatchObject({
      reason: "subscription",
      message: "closed when the subscription was asked for",
    });
  });
});

describe("SUBSCRIBE right behind CONNECT", () => {
  const subackOf = (id: number): Buffer => Buffer.of(0x90, 3, id >> 8, id & 255, 1);

  /** A broker that answers CONNECT a turn later, and does with a SUBSCRIBE before that what a test says. */
  const startSlow = (early: (socket: Socket, id: number) => void): Promise<LittleServer> =>
    startLittleServer((socket) => {
      let isConnected = false;
      const reader = parser();
      reader.on("packet", ({ cmd, messageId = 0 }) => {
        if (cmd === "connect")
          setImmediate(() => {
            isConnected = true;
            if (socket.writable) socket.write(CONNACK);
          });
        if (cmd === "subscribe" && isConnected) socket.write(subackOf(messageId));
        else if (cmd === "subscribe") early(socket, messageId);
      });
      socket.on("data", (bytes) => reader.parse(bytes));
    });

  it("costs no round trip: it does not wait for CONNACK", async () => {
    const server = await startSlow((socket, id) =>
      setImmediate(() => setImmediate(() => socket.write(subackOf(id)))),
    );
    const router = makePeer({ IPv4: { [HOST]: { port: server.port } } });
    await router.start();
    expect(server.connections).toBe(1);
  });

  it("is tried without at once where a broker hangs up on it", async () => {
    const server = await startSlow((socket) => socket.destroy());
    const router = makePeer({ IPv4: { [HOST]: { port: server.port } } });
    await router.start();
    expect(server.connections).toBe(2);
    expect(router.stats().brokers).toMatchObject([{ state: "open", lastError: undefined }]);
  });

  it("is tried without after the timeout where a broker ignores it", { timeout: 20_000 }, async () => {
    const server = await startSlow(() => {});
    const router = makePeer({ IPv4: { [HOST]: { port: server.port } } });
    await expect(router.start()).rejects.toMatchObject({
      brokers: [{ error: "no answer to SUBSCRIBE within 4000 ms" }],
    });
    await router.start();
    expect(server.connections).toBe(2);
  });

  it("is not tried without where the broker is gone", async () => {
    const server = await startLittleServer((socket) => socket.destroy());
    const router = makePeer({ IPv4: { [HOST]: { port: server.port } } });
    await expect(router.start()).rejects.toMatchObject({ code: "NO_BROKER" });
    expect(server.connections).toBeLessThanOrEqual(2);
  });
});

describe("TLS that fails", () => {
  it.each([
    ["has expired", "expired", true, /^its certificate has expired; its operator .* \(CERT_HAS_EXPIRED\)$/],
    ["is not valid yet", "not-yet-valid", true, /^its certificate is not valid yet; the clock .*/],
    ["is for another host", "other-host", true, /^its certificate is for another host: DNS:other\.example /],
    [
      "signed itself",
      "other-host",
      false,
      /^its certificate is self-signed; if it is yours, give it in `ca` /,
    ],
    [
      "is of an unknown authority",
      "server",
      false,
      /^its certificate is of an authority that is not trusted here/,
    ],
  ])("says that the certificate %s", async (_, name, isTrusted, message) => {
    const cert = pem(`${name}.pem`);
    const { port } = await startLittleServer(() => {}, { key, cert });
    for (const field of ["tls", "wss"] as const) {
      const failure = await failureAt({ [field]: port }, isTrusted ? { ca: cert } : {});
      expect(failure).toMatchObject({ reason: "tls", message: expect.stringMatching(message) });
    }
  });

  it.each<[string, (socket: Socket) => void, string]>([
    [
      "what answered does not speak it: a web server",
      answering(head("HTTP/1.1 400 Bad Request")),
      "what answered does not speak TLS (ERR_SSL_WRONG_VERSION_NUMBER)",
    ],
    [
      "what answered does not speak it: junk",
      answering(Buffer.alloc(100, 7)),
      "what answered does not speak TLS (ERR_SSL_WRONG_VERSION_NUMBER)",
    ],
    ["it hung up", hangingUp, "it hung up during the TLS handshake (ECONNRESET)"],
    [
      "it refused",
      answering(Buffer.of(0x15, 3, 3, 0, 2, 2, 40)),
      "it refused the TLS handshake: sslv3 alert handshake failure (ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE)",
    ],
  ])("says that %s", async (_, answer, message) => {
    const { port } = await startLittleServer(answer);
    expect(await failureAt({ tls: port })).toMatchObject({ reason: "tls", message });
  });

  it("says that a certificate of the own is wanted", async () => {
    const ca = pem("ca.pem");
    const options = { key, cert: pem("server.pem"), ca, requestCert: true, rejectUnauthorized: true };
    const { port } = await startLittleServer(() => {}, options);
    expect(await failureAt({ tls: port }, { ca })).toMatchObject({
      reason: "tls",
      message: expect.stringMatching(/^it refused the TLS handshake: .*certificate required/),
    });
  });
});

/** A web server that answers everything in one way. */
async function startWebServer(status: number, fields: Record<string, string> = {}): Promise<number> {
  const server = createHttpServer((_, response) => response.writeHead(status, fields).end("<html>"));
  server.on("upgrade", (_, socket) => {
    const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}`);
    socket.end(head(`HTTP/1.1 ${status} Whatever`, ...lines));
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  use({
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      server.close();
    },
  });
  // A TCP server's address is an AddressInfo once it is listening.
  return (server.address() as AddressInfo).port;
}

describe("a web server in the place of a WebSocket", () => {
  it.each([
    [401, /^HTTP 401: a login is wanted/],
    [403, /^HTTP 403: .*forbidden/],
    [404, /^HTTP 404: nothing is there; look at `path`/],
    [418, /^HTTP 418: the WebSocket was refused$/],
    [429, /^HTTP 429: too many connections/],
    [500, /^HTTP 500: the web server failed$/],
    [503, /^HTTP 503: out of service/],
    [200, /^HTTP 200: what answered is not MQTT but a web page: a captive portal/],
    [204, /^HTTP 204: what answered is not MQTT/],
    [511, /^HTTP 511: what answered is not MQTT but a network that wants a login/],
  ])("says what its status %d means", async (status, message) => {
    const failure = await failureAt({ ws: await startWebServer(status) });
    expect(failure).toMatchObject({
      reason: "http",
      httpStatus: status,
      message: expect.stringMatching(message),
    });
  });

  it("is not followed where it redirects to, and tells no more than the host", async () => {
    const elsewhere = await startLittleServer();
    const location = `http://${HOST}:${elsewhere.port}/login?from=/mqtt?token=hunter2`;
    const failure = await failureAt({
      ws: await startWebServer(302, { location }),
      path: "/mqtt?token=hunter2",
    });
    expect(failure).toMatchObject({ reason: "http", httpStatus: 302 });
    expect(failure.message).toBe(
      `HTTP 302: what answered is not MQTT but a redirect to ${HOST}:${elsewhere.port}: a captive portal, or not the broker's address`,
    );
    expect(elsewhere.connections).toBe(0);
  });

  it("cannot fill an error with what it likes", async () => {
    const answer = head("HTTP/1.1 307 \u001b[31m", `Location: http://\u001b[31m${"a".repeat(5000)}/`);
    const { port } = await startLittleServer(answering(answer));
    const { message } = await failureAt({ ws: port });
    expect(message).toMatch(/^[ -~…]{1,300}$/);
  });

  it.each<[string, string | Buffer, RegExp]>([
    ["no web server at all", "SSH-2.0-OpenSSH_9.2\r\n\r\n", /^what answered is not MQTT, nor a web server$/],
    [
      "a head without end",
      Buffer.alloc(20_000, "HTTP/1.1 200 OK\r\nA: b\r\n"),
      /^what answered is not MQTT, but a web server's answer/,
    ],
    [
      "no WebSocket in spite of its status",
      head("HTTP/1.1 101 Switching"),
      /^what answered is not MQTT, but a web server/,
    ],
  ])("is told from %s", async (_, answer, message) => {
    const { port } = await startLittleServer(answering(answer));
    expect(await failureAt({ ws: port })).toMatchObject({
      reason: "not-mqtt",
      message: expect.stringMatching(message),
    });
  });

  it.each([
    ["in seconds", { "retry-after": "30" }, 29_000, 30_000],
    [
      "as a date by its own clock",
      { date: "Thu, 01 Jan 1970 00:00:00 GMT", "retry-after": "Thu, 01 Jan 1970 00:01:00 GMT" },
      59_000,
      60_000,
    ],
    ["for longer than is sensible", { "retry-after": "999999" }, 119_000, 120_000],
    [
      "in the past",
      { date: "Thu, 01 Jan 1970 00:01:00 GMT", "retry-after": "Thu, 01 Jan 1970 00:00:00 GMT" },
      0,
      1000,
    ],
    ["in no way that can be read", { "retry-after": "soon" }, 0, 1000],
  ])("is left alone as long as it asks to be: %s", async (_, fields, min, max) => {
    for (const status of [429, 503]) {
      const peer = makePeer({ IPv4: { [HOST]: { ws: await startWebServer(status, fields) } } });
      await expect(peer.start()).rejects.toMatchObject({ code: "NO_BROKER" });
      const [broker] = peer.stats().brokers;
      expect(broker?.nextTryInMs).toBeGreaterThanOrEqual(min);
      expect(broker?.nextTryInMs).toBeLessThanOrEqual(max);
    }
  });

  it("that asks to be left alone does not keep the broker's other transports from being tried", async () => {
    const port = await freePort(HOST);
    const asking = await startLittleServer(answering(head("HTTP/1.1 429 Later", "Retry-After: 100")));
    const peer = makePeer({ IPv4: { [HOST]: { port, ws: asking.port } } });
    let failures = 0;
    const twice = new Promise<void>((resolve) => {
      peer.on("broker", ({ state }) => {
        if (state === "waiting" && ++failures === 2) resolve();
      });
    });
    peer.start().catch(() => {});
    await twice;
    expect(asking.connections).toBe(1);
  });
});

describe("what answers at the port of plain MQTT", () => {
  it.each<[string, string | Buffer, string]>([
    [
      "a web server",
      head("HTTP/1.1 400 Bad Request"),
      ", but a web server: a captive portal, or not the broker's port",
    ],
    ["a page", "<!doctype html>", ", but a web server: a captive portal, or not the broker's port"],
    ["a port of TLS", Buffer.of(0x15, 3, 1, 0, 2, 2, 10), ", but TLS: the port is that of another transport"],
    ["SSH", "SSH-2.0-OpenSSH_9.2\r\n", ""],
    ["zeros", Buffer.alloc(10), ""],
  ])("is told from MQTT: %s", async (_, answer, more) => {
    const { port } = await startLittleServer(answering(answer));
    expect(await failureAt({ port })).toMatchObject({
      reason: "not-mqtt",
      message: `what answered is not MQTT${more}`,
    });
  });

  it("is told from MQTT: a real web server", async () => {
    expect(await failureAt({ port: await startWebServer(200) })).toMatchObject({ reason: "not-mqtt" });
  });

  it("is told from MQTT over a WebSocket, too", async () => {
    const { WebSocketServer } = await import("ws");
    const server = new WebSocketServer({ host: HOST, port: 0 });
    server.on("connection", (socket) => socket.on("message", () => socket.send(Buffer.from("hello"))));
    await new Promise((resolve) => server.once("listening", resolve));
    use({ [Symbol.asyncDispose]: async () => server.close() });
    // A TCP server's address is an AddressInfo once it is listening.
    const { port } = server.address() as AddressInfo;
    expect(await failureAt({ ws: port })).toMatchObject({ reason: "not-mqtt" });
    for (const client of server.clients) client.terminate();
  });
});

describe("no answer in time", () => {
  const opening = (transport: Transport, port: number, host = HOST): Promise<unknown> =>
    openLink(
      {
        broker: { family: "IPv4", host, weight: 1, [TRANSPORTS[transport].portField]: port },
        target: {
          transport,
          family: "IPv4",
          host,
          port,
          path: "/mqtt",
          localAddress: undefined,
          publicOnly: false,
          ca: undefined,
        },
        isPipelined: false,
        connectTimeoutMs: 100,
        speed: new LineSpeed(),
        scheduler: new ReadScheduler(),
        subscribers: () => [makeSubscriber()],
        onClose: () => {},
      },
      new AbortController().signal,
    ).catch((error: unknown) => error);

  it.each<[string, Transport, (socket: Socket) => void, string]>([
    ["TLS", "mqtts", () => {}, "no answer to the handshake within 100 ms"],
    ["the WebSocket", "ws", () => {}, "no answer to the handshake within 100 ms"],
    ["CONNECT", "mqtt", () => {}, "no answer to CONNECT within 100 ms"],
    ["SUBSCRIBE", "mqtt", answering(CONNACK), "no answer to SUBSCRIBE within 100 ms"],
  ])("says to what: %s", async (_, transport, answer, message) => {
    const { port } = await startLittleServer(answer);
    expect(await opening(transport, port)).toMatchObject({ reason: "timeout", message });
  });
});
