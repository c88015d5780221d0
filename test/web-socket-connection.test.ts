import { createHash } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { WebSocketServer } from "ws";
import { platform } from "../src/platform/node.js";
import type { Connection } from "../src/platform/platform.js";
import { WebSocketConnection } from "../src/platform/web-socket-connection.js";
import { MemoryConnection } from "./support/memory-connection.js";

/** A client's WebSocket over a connection in memory, and what it told. */
function open(): { below: MemoryConnection; above: Connection; told: string[]; key: string } {
  const told: string[] = [];
  let below: MemoryConnection | undefined;
  const above = new WebSocketConnection(
    new URL("ws://broker.example:8083/a path?q=ü#hash"),
    (events) => {
      below = new MemoryConnection(events);
      return below;
    },
    {
      onStage: () => {},
      onOpen: () => told.push("open"),
      onData: (bytes) => told.push(Buffer.from(bytes).toString()),
      onClose: (error) => told.push(`closed: ${error?.message ?? ""}`),
    },
  );
  if (below === undefined) throw new Error("it opens nothing");
  below.events.onOpen();
  const [, key = ""] = /Sec-WebSocket-Key: (.*)\r\n/.exec(String(below.written[0])) ?? [];
  return { below, above, told, key };
}

const proofOf = (key: string): string =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");

/** What a server agrees with; a field may be another. */
function agreement(key: string, other: Readonly<Record<string, string | undefined>> = {}): Buffer {
  const fields = {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": proofOf(key),
    "Sec-WebSocket-Protocol": "mqtt",
    ...other,
  };
  const lines = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : `${name}: ${value}\r\n`,
  );
  return Buffer.from(`HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`);
}

const HELLO = Buffer.from([0x82, 5, ...Buffer.from("hello")]);

describe("a WebSocket", () => {
  it("asks for MQTT, without compression, at an escaped path", () => {
    const { below, key } = open();
    expect(String(below.written[0]).split("\r\n")).toEqual([
      "GET /a%20path?q=%C3%BC HTTP/1.1",
      "Host: broker.example:8083",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${key}`,
      "Sec-WebSocket-Protocol: mqtt",
      "",
      "",
    ]);
    expect(Buffer.from(key, "base64")).toHaveLength(16);
  });

  it("opens however the answer is cut, spelled and followed", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(300), { maxLength: 20 }), (places) => {
        const { below, told, key } = open();
        const spelled = { Connection: "keep-alive, upgrade", Upgrade: "WebSocket", Server: "any: thing" };
        const bytes = Buffer.concat([agreement(key, spelled), HELLO]);
        const at = [0, ...new Set(places.map((place) => place % bytes.length)), bytes.length].sort(
          (a, b) => a - b,
        );
        at.slice(1).forEach((end, i) => {
          below.say(bytes.subarray(at[i], end));
        });
        expect([told[0], told.slice(1).join("")]).toEqual(["open", "hello"]);
      }),
      { numRuns: 100 },
    );
  });

  it.each([
    ["another proof", { "Sec-WebSocket-Accept": proofOf("another") }, /does not agree/],
    ["no proof", { "Sec-WebSocket-Accept": undefined }, /does not agree/],
    ["no upgrade", { Upgrade: undefined }, /does not agree/],
    ["another upgrade", { Upgrade: "h2c" }, /does not agree/],
    ["a connection that is kept", { Connection: "keep-alive" }, /does not agree/],
    ["compression", { "Sec-WebSocket-Extensions": "permessage-deflate" }, /does not agree/],
    ["another protocol", { "Sec-WebSocket-Protocol": "chat" }, /something else/],
    ["no protocol", { "Sec-WebSocket-Protocol": undefined }, /something else/],
  ])("does not open with %s", (_, fields, words) => {
    const { below, told, key } = open();
    below.say(agreement(key, fields), HELLO);
    expect(told).toEqual([expect.stringMatching(words)]);
    expect(below.state).toBe("destroyed");
  });

  it("reads so much of an answer, and no more", () => {
    const { below, told } = open();
    for (let i = 0; i < 9000 && below.state === "open"; i++) below.say(Buffer.from("x"));
    expect(told).toEqual([expect.stringMatching(/without end/)]);
    expect(below.state).toBe("destroyed");
  });

  it("ends with what no server may send, and tells nothing after", () => {
    const { below, told, key } = open();
    below.say(agreement(key), HELLO);
    below.say(Buffer.of(0xc1, 1, 1));
    below.say(HELLO);
    expect(told).toEqual(["open", "hello", expect.stringMatching(/extension/)]);
    expect(below.state).toBe("destroyed");
  });

  it("answers a flood of pings with one answer for what came at once, and none where nothing is taken", () => {
    const { below, key } = open();
    below.say(agreement(key));
    const pings = Buffer.alloc(20_000, Buffer.of(0x89, 0));
    below.say(pings);
    expect(below.written).toHaveLength(2);
    below.unsentBytes = 20_000;
    below.say(pings);
    expect(below.written).toHaveLength(2);
  });

  it("says goodbye, and answers one", () => {
    const { below, above, key } = open();
    below.say(agreement(key));
    above.end();
    expect(below.written.at(-1)?.[0]).toBe(0x88);
    expect(below.state).toBe("ended");
    const other = open();
    other.below.say(agreement(other.key), Buffer.of(0x88, 0));
    expect(other.below.written.at(-1)?.[0]).toBe(0x88);
    expect(other.below.state).toBe("ended");
  });

  it("writes nothing before it is open", () => {
    const { below, above } = open();
    above.write(Buffer.of(1));
    expect(below.written).toHaveLength(1);
    above.end();
    expect(below.written).toHaveLength(1);
    expect(below.state).toBe("ended");
  });

  it("never throws, whatever answers", () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 })),
        (isAgreed, pieces) => {
          const { below, told, key } = open();
          if (isAgreed) below.say(agreement(key));
          for (const piece of pieces) below.say(piece);
          expect(told.filter((text) => text.startsWith("closed"))).toHaveLength(
            below.state === "destroyed" ? 1 : 0,
          );
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("speaks with a server as others know it, in frames of every length", async () => {
    const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
    onTestFinished(() => void server.close());
    await once(server, "listening");
    const codes: number[] = [];
    server.on("connection", (socket) => {
      socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary, fin: true }));
      socket.on("close", (code) => codes.push(code));
      socket.ping("are you there");
      socket.on("pong", (data) => codes.push(data.length));
    });
    // A TCP server's address is an AddressInfo once it is listening.
    const { port } = server.address() as AddressInfo;
    const lengths = [1, 125, 126, 127, 65_535, 65_536, 200_000];
    const sent = Buffer.concat(lengths.map((length) => Buffer.alloc(length, length)));
    const back: Uint8Array[] = [];
    await new Promise<void>((resolve, reject) => {
      const connection = platform.openConnection(targetAt(port), {
        onStage: () => {},
        onOpen: () => {
          for (const length of lengths) connection.write(Buffer.alloc(length, length));
        },
        onData: (bytes) => {
          back.push(bytes);
          if (Buffer.concat(back).length === sent.length) connection.end();
        },
        onClose: (error) => (error === undefined ? resolve() : reject(error)),
      });
    });
    expect(Buffer.concat(back).equals(sent)).toBe(true);
    await expect.poll(() => codes).toEqual([13, 1000]);
  });

  it("can be paused: what a server sends waits in its hands", async () => {
    let taken = 0;
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.once("data", (request) => {
        const [, key = ""] = /Sec-WebSocket-Key: (.*)\r\n/.exec(String(request)) ?? [];
        socket.write(agreement(key));
        const more = (): void => {
          while (
            !socket.destroyed &&
            socket.write(Buffer.from([0x82, 126, 255, 255, ...Buffer.alloc(65_535)]))
          )
            taken += 65_535;
        };
        socket.on("drain", more);
        more();
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    // As above.
    const { port } = server.address() as AddressInfo;
    let received = 0;
    const connection = platform.openConnection(targetAt(port), {
      onStage: () => {},
      onOpen: () => connection.pause(),
      onData: ({ length }) => {
        received += length;
      },
      onClose: () => {},
    });
    // The system takes some in; then nothing moves.
    let last = 0;
    const hasMoved = (): boolean => {
      const isSame = taken > 0 && taken === last;
      last = taken;
      return !isSame;
    };
    await expect.poll(hasMoved, { interval: 100 }).toBe(false);
    expect(received).toBeLessThan(200_000);
    connection.resume();
    await expect.poll(() => received, { timeout: 30_000 }).toBeGreaterThan(10e6);
    connection.destroy();
  });
});

function targetAt(port: number): Parameters<typeof platform.openConnection>[0] {
  return {
    transport: "ws",
    family: "IPv4",
    host: "127.0.0.1",
    port,
    path: "/mqtt",
    localAddress: undefined,
    publicOnly: false,
    ca: undefined,
  };
}
