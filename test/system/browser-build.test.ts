import { describe, expect, it, vi } from "vitest";
import { WebSocket } from "ws";
import * as node from "../../src/index.js";
import { startEmbeddedBroker } from "../support/embedded-broker.js";
import { use } from "../support/peers.js";
import vectors from "../vectors/protocol.json" with { type: "json" };

// What a page has and Node 20 has not.
vi.stubGlobal("WebSocket", WebSocket);

// The bundle as a browser gets it; `npm test` builds it first.
const bundle = "../../dist/browser.js";
const browser: typeof node = await import(/* @vite-ignore */ bundle);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The names of every property in there. */
function namesIn(value: unknown): string[] {
  if (typeof value !== "object" || value === null || value instanceof Uint8Array) return [];
  const own = Array.isArray(value) ? [] : Object.getOwnPropertyNames(value);
  const inner = Object.values(value).flatMap(namesIn);
  return [...new Set([...own, ...inner])].filter((name) => !/^[\d.]+$|^stack$/.test(name)).sort();
}

describe("the browser build", () => {
  it("unpacks all 60 packets of the vectors, and none of the 18 invalid ones", async () => {
    for (const { payload, ...expected } of vectors.packets) {
      const packet = await browser.AppPacket.unpack(Buffer.from(payload, "hex"));
      expect(packet).toMatchObject({
        source: vectors.keys.find(({ secret }) => secret === expected.secret)?.public,
        queueId: expected.queueId,
        sequence: expected.seq,
        timestamp: expected.timestamp,
        type: expected.type,
      });
      expect(hex(packet?.message ?? new Uint8Array())).toBe(expected.message);
    }
    for (const { payload } of vectors.invalid) {
      expect(await browser.AppPacket.unpack(Buffer.from(payload, "hex"))).toBeNull();
    }
  });

  it("ranks like the vectors", () => {
    for (const { public: address, weighted, ranking } of vectors.rankings) {
      const pool: { IPv4: Record<string, node.BrokerEntry>; IPv6: Record<string, node.BrokerEntry> } = {
        IPv4: {},
        IPv6: {},
      };
      for (const { af, host, port, weight } of vectors.pool) {
        pool[af === "IPv6" ? "IPv6" : "IPv4"][host] = { port, weight: weighted ? weight : 1 };
      }
      const ranked = browser.rankBrokers(address, pool);
      for (const family of ["IPv4", "IPv6"] as const) {
        expect(ranked[family].map(({ host }) => host)).toEqual(ranking[family].map(({ host }) => host));
        ranked[family].forEach(({ score }, i) => {
          expect(Math.abs(score - (ranking[family][i]?.score ?? Number.NaN))).toBeLessThan(1e-12);
        });
      }
    }
  });

  it("meets the Node build at one broker, over WebSocket and TCP", async () => {
    const webSocket = use(await startEmbeddedBroker("127.0.0.1", 0, { transport: "ws" }));
    const tcp = use(await startEmbeddedBroker("127.0.0.1"));
    // One broker behind two ports.
    webSocket.aedes.handle = tcp.aedes.handle;
    const brokers = { IPv4: { "127.0.0.1": { port: tcp.port, ws: webSocket.port } } };
    const page = use(new browser.Router(browser.Keypair.generate(), { getTime: Date.now, brokers }));
    const server = use(
      new node.Router(node.Keypair.generate(), { getTime: Date.now, brokers, transports: ["mqtt"] }),
    );
    await Promise.all([page.start(), server.start()]);
    const [toPage, toServer] = [page.messages(), server.messages()];
    expect(await (await page.pipe(server.address)).send("from the page")).toBe(13);
    expect(await (await server.pipe(page.address)).send("from the server")).toBe(15);
    expect((await toServer.next()).value?.text()).toBe("from the page");
    expect((await toPage.next()).value?.text()).toBe("from the server");
  });

  it("gives and takes what the Node build does, by the same names", async () => {
    const webSocket = use(await startEmbeddedBroker("127.0.0.1", 0, { transport: "ws" }));
    const brokers = { IPv4: { "127.0.0.1": { port: 1, ws: webSocket.port } } };
    const [page, server] = [browser, node].map(({ Router, Keypair }) => {
      const kept: unknown[] = [];
      const hintStore = { get: () => undefined, set: (...entry: unknown[]) => void kept.push(entry) };
      const options = { getTime: Date.now, brokers, transports: ["ws"] as const, hintStore };
      const router = use(new Router(Keypair.generate(), options));
      const told: unknown[] = [];
      router.on("broker", (event) => told.push(event));
      router.on("dropped", (event) => told.push(event));
      router.on("message", (event) => told.push(event));
      return { router, kept, told };
    });
    if (page === undefined || server === undefined) throw new Error("two builds");
    const seen = await Promise.all(
      [page, server].map(async ({ router, kept, told }, i, all) => {
        await router.start();
        const other = all[1 - i]?.router;
        await other?.start();
        const hintBrokers = other?.hints() ?? [];
        expect(hintBrokers).toEqual([{ af: 2, host: "127.0.0.1", port: 1 }]);
        const pipe = await router.pipe(other?.address ?? "", { hintBrokers, useCache: true, encrypt: true });
        const receipt = await pipe.deliver("x");
        const probe = await pipe.probe();
        const nobody = await router.pipe(node.Keypair.generate().publicKeyHex);
        const failure = await nobody.deliver("x", { timeoutMs: 10 }).catch((error: unknown) => error);
        await vi.waitUntil(() => told.length >= 3 && kept.length >= 2);
        return [receipt, probe, failure, router.stats(), told, kept, router.hints()].map(namesIn);
      }),
    );
    expect(seen[0]).toEqual(seen[1]);
    expect(seen[1]?.flat()).toEqual(
      expect.arrayContaining(["roundTripMs", "af", "publishes", "nextTryInMs"]),
    );
  });

  it("says clearly what a browser cannot do", () => {
    const make = (options: object): node.Router =>
      new browser.Router(browser.Keypair.generate(), { getTime: Date.now, ...options });
    expect(() => make({ nic: "127.0.0.1" })).toThrow(expect.objectContaining({ code: "UNSUPPORTED" }));
    expect(() => make({ ca: "-----BEGIN CERTIFICATE-----" })).toThrow(
      expect.objectContaining({ code: "UNSUPPORTED" }),
    );
    expect(() => make({ transports: ["mqtt"] })).toThrow(expect.objectContaining({ path: "transports[0]" }));
  });
});
