import type { IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import fc from "fast-check";
import { describe, expect, it, onTestFinished } from "vitest";
import { MAX_CONNECTIONS, MAX_FEEDS, PATIENCE_MS } from "../../src/web/server.js";
import { directPeer, KEY_A, someInfo } from "../support/fake-mesh.js";
import { ask, open, own, serve, TOKEN } from "../support/web-server.js";

describe("the feed", () => {
  it("is open so many times, and another time when one is closed", async () => {
    const { port } = await serve();
    const ask = (): Promise<IncomingMessage> => open(port, "/feed", { headers: own(port) });
    const open8 = await Promise.all(Array.from({ length: MAX_FEEDS }, ask));
    expect(open8.map(({ statusCode }) => statusCode)).toEqual(Array(MAX_FEEDS).fill(200));
    expect((await ask()).statusCode).toBe(503);
    open8[0]?.destroy();
    await expect.poll(async () => (await ask()).statusCode).toBe(200);
  });

  it("does not grow for a reader that does not read, which then gets the latest", async () => {
    const { port, daemon, feed } = await serve();
    const response = await open(port, "/feed", { headers: own(port) });
    response.pause();
    const sayAndWait = async (name: string): Promise<void> => {
      const peers = Array.from({ length: 500 }, (_, i) => directPeer({ name, publicKey: `${KEY_A}${i}` }));
      const heard = new Promise<void>((resolve) => {
        const silence = feed.listen(() => {
          silence();
          resolve();
        });
      });
      daemon.say(someInfo({ peers }));
      await heard;
    };
    for (let i = 0; i < 150; i++) await sayAndWait(`name-${i}`);
    let text = "";
    response.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    response.resume();
    await expect.poll(() => text.includes('"name":"name-149"'), { timeout: 30_000 }).toBe(true);
    // 150 states have 30 MB. What the kernel and two buffers take is less.
    expect(text.split("\ndata: ").length).toBeLessThan(75);
  });
});

describe("a connection", () => {
  const whenClosed = (socket: Socket): Promise<number> => {
    const startedAt = performance.now();
    socket.on("error", () => {});
    socket.resume();
    return new Promise((resolve) => socket.once("close", () => resolve(performance.now() - startedAt)));
  };

  it("has a time for its request, however slowly it comes", async () => {
    const { port } = await serve();
    const head = `POST /invite HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nOrigin: http://127.0.0.1:${port}\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 60\r\n\r\n`;
    const texts = ["", "GET / HTTP/1.1\r\nHost: x", head, `${head}{`];
    const tookMs = await Promise.all(
      texts.map(async (text) => {
        const socket = connect(port, "127.0.0.1");
        socket.write(text);
        const timer = setInterval(() => void (text === "" || socket.write(" ")), 200);
        return await whenClosed(socket).finally(() => clearInterval(timer));
      }),
    );
    for (const ms of tookMs) expect(ms).toBeGreaterThan(PATIENCE_MS - 1000);
    for (const ms of tookMs) expect(ms).toBeLessThan(PATIENCE_MS * 4);
  });

  it("is one of so many", async () => {
    const { port } = await serve();
    const sockets = Array.from({ length: MAX_CONNECTIONS + 8 }, () => connect(port, "127.0.0.1"));
    onTestFinished(() => {
      for (const socket of sockets) socket.destroy();
    });
    let closed = 0;
    for (const socket of sockets) void whenClosed(socket).then(() => closed++);
    await expect.poll(() => closed).toBe(8);
  });

  it("ends with nonsense, and others go on", async () => {
    const { port } = await serve();
    const send = async (bytes: Uint8Array): Promise<void> => {
      const socket = connect(port, "127.0.0.1");
      const closed = whenClosed(socket);
      socket.end(bytes);
      await closed;
    };
    await send(Buffer.from(`GET / HTTP/1.1\r\nX: ${"x".repeat(20_000)}\r\n\r\n`));
    const words = fc.constantFrom(
      "GET ",
      "POST ",
      "/",
      "/feed",
      "/invite",
      " HTTP/1.1\r\n",
      "Host: 127.0.0.1\r\n",
      "\r\n",
    );
    const text = fc.array(fc.oneof(words, fc.string({ unit: "binary" })), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(text, (parts) => send(Buffer.from(parts.join("")))),
      { numRuns: 100 },
    );
    expect((await ask(port, "/")).status).toBe(200);
  });
});
