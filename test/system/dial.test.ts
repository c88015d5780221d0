import { once } from "node:events";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { describe, expect, it } from "vitest";
import { abortable } from "../../src/base/abort.js";
import { AbortError, BrokerError } from "../../src/base/errors.js";
import {
  ATTEMPT_DELAY_MS,
  addressesOf,
  type DialTarget,
  dial,
  MAX_ADDRESSES,
} from "../../src/platform/dial.js";
import { openBlackHoles } from "../faults/black-holes.js";
import { freePort } from "../support/free-port.js";
import { use } from "../support/peers.js";

const NAME = "several-addresses.test";

const TARGET = {
  host: NAME,
  family: "IPv4",
  port: 1,
  localAddress: undefined,
  publicOnly: false,
} as const;

/** A TCP server on one of this machine's addresses, and the local addresses of who came. */
async function listenAt(host: string, port = 0): Promise<{ readonly port: number; readonly from: string[] }> {
  const from: string[] = [];
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    from.push(socket.remoteAddress ?? "");
    sockets.add(socket.on("error", () => {}));
  });
  server.listen(port, host);
  await once(server, "listening");
  use({
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  });
  // A TCP server's address is an AddressInfo once it is listening.
  return { port: (server.address() as AddressInfo).port, from };
}

/** Dials a name that has these addresses, and counts how often it is looked up. */
function dialName(
  addresses: readonly string[],
  port: number,
  { signal = new AbortController().signal, ...options }: Partial<DialTarget> & { signal?: AbortSignal } = {},
): { readonly socket: Promise<Socket>; readonly lookups: readonly unknown[] } {
  const lookups: unknown[] = [];
  const question = { ...TARGET, port, ...options };
  const found = addressesOf(question, signal, async (...asked) => {
    lookups.push(asked.slice(0, 2));
    return addresses;
  });
  const dialled = found.then((these) => dial(these, question, signal));
  const socket = dialled.then((one) => {
    use({ [Symbol.asyncDispose]: async () => void one.destroy() });
    return one;
  });
  socket.catch(() => {});
  return { socket, lookups };
}

const failureOf = (work: Promise<unknown>): Promise<unknown> => work.catch((error: unknown) => error);

describe("a name with several addresses", () => {
  it("is dialled at the first that answers: the first one refuses", async () => {
    const { port } = await listenAt("127.14.1.2");
    const began = performance.now();
    const { socket, lookups } = dialName(["127.14.1.1", "127.14.1.2"], port);
    expect((await socket).remoteAddress).toBe("127.14.1.2");
    expect(performance.now() - began).toBeLessThan(ATTEMPT_DELAY_MS);
    expect(lookups).toEqual([[NAME, [4]]]);
  });

  it("is dialled at the first that answers: two swallow every attempt", async () => {
    const holes = use(await openBlackHoles(["127.14.2.1"]));
    const port = holes.endpoints[0]?.port ?? 0;
    await listenAt("127.14.2.2", port);
    const began = performance.now();
    const { socket } = dialName(["127.14.2.1", "127.14.2.1", "127.14.2.2"], port);
    expect((await socket).remoteAddress).toBe("127.14.2.2");
    expect(performance.now() - began).toBeGreaterThan(2 * ATTEMPT_DELAY_MS - 10);
  });

  it("is dialled once while the first answers", async () => {
    const first = await listenAt("127.14.3.1");
    const second = await listenAt("127.14.3.2", first.port);
    await dialName(["127.14.3.1", "127.14.3.2"], first.port).socket;
    await new Promise((resolve) => setTimeout(resolve, ATTEMPT_DELAY_MS + 50));
    expect([first.from.length, second.from.length]).toEqual([1, 0]);
  });

  it("begins with another after each failure of what is behind the first", async () => {
    const { port } = await listenAt("127.14.4.1");
    await listenAt("127.14.4.2", port);
    const to = async (turn: number): Promise<string | undefined> =>
      (await dialName(["127.14.4.1", "127.14.4.2"], port, { turn }).socket).remoteAddress;
    expect(await Promise.all([to(0), to(1), to(2)])).toEqual(["127.14.4.1", "127.14.4.2", "127.14.4.1"]);
  });

  it("tells of each address why not", async () => {
    const port = await freePort("127.14.5.1");
    const { socket } = dialName(["127.14.5.1", "127.14.5.2"], port);
    const error = await failureOf(socket);
    expect(error).toBeInstanceOf(BrokerError);
    expect(error).toMatchObject({
      reason: "unreachable",
      message:
        "none of 2 addresses: connection refused (ECONNREFUSED) at 127.14.5.1; connection refused (ECONNREFUSED) at 127.14.5.2",
      cause: { code: "ECONNREFUSED" },
    });
  });

  it("has so many addresses that only the first are tried", async () => {
    const port = await freePort("127.14.6.1");
    const many = Array.from({ length: 1000 }, (_, i) => `127.14.6.${(i % 250) + 1}`);
    const error = await failureOf(dialName(many, port).socket);
    expect(String(error).match(/ECONNREFUSED/g)).toHaveLength(MAX_ADDRESSES);
    expect(String(error)).not.toContain("127.14.6.9;");
  });

  it("leaves nothing behind when the wait is aborted", async () => {
    const holes = use(await openBlackHoles(["127.14.7.1"]));
    const controller = new AbortController();
    const before = openSockets();
    const { socket } = dialName(["127.14.7.1", "127.14.7.1"], holes.endpoints[0]?.port ?? 0, {
      signal: controller.signal,
    });
    while (openSockets() < before + 2) await new Promise((resolve) => setTimeout(resolve, 10));
    controller.abort("enough");
    const error = await failureOf(socket);
    expect(error).toBeInstanceOf(AbortError);
    expect(error).toMatchObject({ cause: "enough" });
    while (openSockets() > before) await new Promise((resolve) => setImmediate(resolve));
  });
});

const openSockets = (): number =>
  process.getActiveResourcesInfo().filter((name) => name === "TCPSocketWrap").length;

describe("a dialled host", () => {
  it("is not looked up when it is an address", async () => {
    const { port } = await listenAt("127.14.8.1");
    const { socket, lookups } = dialName([], port, { host: "127.14.8.1" });
    expect((await socket).remoteAddress).toBe("127.14.8.1");
    expect(lookups).toEqual([]);
  });

  it("is left for by the local address that is given", async () => {
    const { port, from } = await listenAt("127.14.9.1");
    await dialName(["127.14.9.9", "127.14.9.1"], port, { localAddress: "127.14.9.7" }).socket;
    expect(from).toEqual(["127.14.9.7"]);
    const foreign = dialName(["127.14.9.1"], port, { localAddress: "192.0.2.1" });
    await expect(foreign.socket).rejects.toMatchObject({
      reason: "unreachable",
      message: expect.stringMatching(/local address .*EADDRNOTAVAIL/),
    });
  });

  it.each<[string, { addresses?: string[]; host?: string }]>([
    ["an address of the other family alone", { addresses: ["::1"] }],
    ["an address that is of the other family itself", { host: "::1" }],
    ["no address at all", { addresses: [] }],
  ])("has %s", async (_, { addresses = ["127.14.10.1"], host = NAME }) => {
    await expect(dialName(addresses, 1, { host }).socket).rejects.toMatchObject({
      reason: "dns",
      message: "it has no IPv4 address",
    });
  });

  it.each([
    ["private", ["127.0.0.1"]],
    ["public, and a private one", ["192.0.2.1", "10.0.0.1"]],
    ["many, and a private one that would not be tried", [...Array(20).fill("192.0.2.1"), "192.168.1.1"]],
  ])("is not dialled for a hint when its addresses are %s", async (_, addresses) => {
    const { socket } = dialName(addresses, 1, { publicOnly: true });
    await expect(socket).rejects.toMatchObject({
      reason: "dns",
      message: expect.stringContaining("private address"),
    });
  });

  it.each([
    ["ENOTFOUND", "the name does not resolve (ENOTFOUND)"],
    ["EAI_AGAIN", "the name does not resolve: no name server answers (EAI_AGAIN)"],
  ])("does not resolve: %s", async (code, message) => {
    const { signal } = new AbortController();
    const dialled = addressesOf(TARGET, signal, async () => {
      throw Object.assign(new Error("getaddrinfo"), { code });
    });
    await expect(dialled).rejects.toMatchObject({ code: "BROKER", reason: "dns", message });
  });

  it("is waited for no longer than the signal lets, also while its name is looked up", async () => {
    const controller = new AbortController();
    const dialled = addressesOf(TARGET, controller.signal, (_host, _versions, signal) =>
      abortable(new Promise(() => {}), signal),
    );
    controller.abort();
    await expect(dialled).rejects.toBeInstanceOf(AbortError);
  });
});
