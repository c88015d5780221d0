import { once } from "node:events";
import { connect, createServer } from "node:net";
import { text } from "node:stream/consumers";
import { expect, it, onTestFinished } from "vitest";
import { addressFrom } from "../../src/config/parts.js";
import { NodeServer } from "../../src/dstack/node-server.js";
import { someInfo } from "../support/fake-mesh.js";

/** A port that was free just now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0);
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  return typeof address === "object" && address !== null ? address.port : expect.fail();
}

async function serve(
  own: string | undefined,
): Promise<{ port: number; node: { now: ReturnType<typeof someInfo> } }> {
  const port = await freePort();
  const node = { now: someInfo() };
  const server = await NodeServer.open(port, {
    info: () => node.now,
    own: () => (own === undefined ? undefined : addressFrom(`${own}/12`, "own")),
    getTime: () => 1_756_069_801_999,
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  return { port, node };
}

/** Asks from a given own address. @returns the first line of the answer */
async function statusFrom(localAddress: string, host: string, port: number): Promise<string> {
  const socket = connect({ host, port, localAddress });
  socket.end(`GET /test HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const [line = ""] = (await text(socket)).split("\r\n");
  return line;
}

async function get(url: string, method = "GET"): Promise<[number, unknown]> {
  const response = await fetch(url, { method });
  const body = await response.text();
  return [response.status, body === "" ? undefined : JSON.parse(body)];
}

it("tells everybody the key and the place, also while no STUN server is asked", async () => {
  const { port, node } = await serve(undefined);
  const expected = { wg_public_key: node.now.publicKey, stun_ip: "198.51.100.7", stun_port: 51_820 };
  expect(await get(`http://127.0.0.1:${port}/node.json`)).toEqual([200, expected]);
  node.now = someInfo({ candidates: [] });
  expect(await get(`http://127.0.0.1:${port}/node.json?x`)).toEqual([200, expected]);
});

it("answers a test only at the own address in the tunnel", async () => {
  const { port, node } = await serve("127.0.0.2");
  const [peer] = node.now.peers;
  node.now = someInfo({ peers: peer === undefined ? [] : [{ ...peer, allowedIps: ["127.0.0.1/32"] }] });
  expect(await get(`http://127.0.0.1:${port}/test`)).toEqual([404, { error: "not found" }]);
  expect(await get(`http://127.0.0.2:${port}/test`)).toEqual([
    200,
    { wg_ip: "127.0.0.2/32", time: "2025-08-24T21:10:01.999+00:00" },
  ]);
});

it("answers a test only to a peer's allowed IPs and to itself: a neighbour may route the own address here", async () => {
  const { port, node } = await serve("127.0.0.2");
  const [peer] = node.now.peers;
  node.now = someInfo({ peers: peer === undefined ? [] : [{ ...peer, allowedIps: ["127.7.0.0/16"] }] });
  expect(await statusFrom("127.7.1.2", "127.0.0.2", port)).toBe("HTTP/1.1 200 OK");
  expect(await statusFrom("127.0.0.2", "127.0.0.2", port)).toBe("HTTP/1.1 200 OK");
  const notFound = "HTTP/1.1 404 Not Found";
  for (const outside of ["127.0.0.1", "127.0.0.3", "127.8.0.1"])
    expect(await statusFrom(outside, "127.0.0.2", port)).toBe(notFound);
  // A way out to the internet is not the overlay.
  node.now = someInfo({ peers: peer === undefined ? [] : [{ ...peer, allowedIps: ["0.0.0.0/0"] }] });
  expect(await statusFrom("127.16.0.1", "127.0.0.2", port)).toBe(notFound);
  node.now = someInfo({ peers: [] });
  expect(await statusFrom("127.7.1.2", "127.0.0.2", port)).toBe(notFound);
});

it("has nothing else, and goes on after nonsense", async () => {
  const { port } = await serve(undefined);
  for (const path of ["/", "/test", "/node.json/", "//node.json", "/../node.json5"])
    expect((await get(`http://127.0.0.1:${port}${path}`))[0]).toBe(404);
  for (const method of ["POST", "PUT", "DELETE"])
    expect((await get(`http://127.0.0.1:${port}/node.json`, method))[0]).toBe(405);
  for (const bytes of ["nonsense\r\n\r\n", `GET / HTTP/1.1\r\nX: ${"x".repeat(40_000)}\r\n\r\n`]) {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume().end(bytes);
    await once(socket, "close");
  }
  expect((await get(`http://127.0.0.1:${port}/node.json`))[0]).toBe(200);
  await expect(
    NodeServer.open(port, { info: () => someInfo(), own: () => undefined, getTime: Date.now }),
  ).rejects.toMatchObject({
    code: "COMMAND_FAILED",
    message: expect.stringContaining(`--publish ${port}: `),
  });
});
