import { createSocket } from "node:dgram";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { verdictOf } from "../../src/candidates/nat.js";
import { StunClient } from "../../src/candidates/stun-client.js";
import { type LookUp, parseStunServers, StunServerNames } from "../../src/candidates/stun-servers.js";
import type { Endpoint } from "../../src/ip/endpoint.js";
import { ProbeSockets } from "../../src/probe/probe-sockets.js";
import { StunServer } from "../support/stun-server.js";

/** A client over real sockets. */
async function start(servers: readonly string[], lookUp?: LookUp) {
  let client: StunClient | undefined;
  const sockets = await ProbeSockets.open((bytes, remote) => client?.receive(bytes, remote));
  client = new StunClient(servers, sockets, lookUp === undefined ? {} : { lookUp });
  return { client, sockets };
}

const named = (address: string, port: number): Endpoint => ({
  address,
  family: address.includes(":") ? 6 : 4,
  port,
});

describe("a STUN client", () => {
  it("learns how it looks from outside, by servers of both families", async () => {
    await using one = await StunServer.start("127.0.0.2");
    await using two = await StunServer.start("127.0.0.3");
    await using three = await StunServer.start("::1");
    const { client, sockets } = await start([one.name, two.name, three.name]);
    await using _ = sockets;
    const told: Endpoint[] = [];
    const report = await client.ask([], { onSeen: ({ seen }) => told.push(seen) });
    expect(report.verdict).toBe("stable");
    expect(told).toEqual(report.seen.map(({ seen }) => seen));
    expect(report.seen.map(({ server }) => server)).toEqual(
      expect.arrayContaining([one.endpoint, two.endpoint, three.endpoint]),
    );
    for (const { server, seen, local, roundTripMs } of report.seen) {
      expect(seen.port).toBe(sockets.port);
      expect(seen.family).toBe(server.family);
      expect(local).toBeUndefined();
      expect(roundTripMs).toBeGreaterThan(0);
    }
    expect((await client.ask(report.seen.map(({ seen }) => seen.address))).verdict).toBe("open");
  });

  it("asks from each own address", async () => {
    await using one = await StunServer.start("127.0.0.2");
    const { client, sockets } = await start([one.name]);
    await using _ = sockets;
    await sockets.setLocalAddresses(["127.0.0.8", "127.0.0.9"]);
    const { seen } = await client.ask(["127.0.0.8", "127.0.0.9", "127.0.0.10", "::1"]);
    const sources = seen.map(({ local, seen }) => [local, seen.address]);
    expect(sources).toHaveLength(3);
    expect(sources).toContainEqual(["127.0.0.8", "127.0.0.8"]);
    expect(sources).toContainEqual(["127.0.0.9", "127.0.0.9"]);
  });

  it("asks again when nothing comes, and takes nothing from elsewhere or that cannot be", async () => {
    const other = createSocket("udp4");
    await new Promise<void>((resolve) => other.bind(0, "127.0.0.5", resolve));
    await using deaf = await StunServer.start("127.0.0.2", { isDeafTo: 2 });
    await using elsewhere = await StunServer.start("127.0.0.3", { from: other });
    await using liar = await StunServer.start("127.0.0.4", { says: () => named("224.0.0.1", 9) });
    const { client, sockets } = await start([deaf.name, elsewhere.name, liar.name]);
    await using _ = sockets;
    const { seen, verdict } = await client.ask([]);
    other.close();
    expect(seen.map(({ server }) => server)).toEqual([deaf.endpoint]);
    expect(deaf.requests).toBe(3);
    expect(elsewhere.requests).toBe(5);
    expect(verdict).toBe("unknown");
  });

  it("says symmetric where all see another port", async () => {
    const shifted = (by: number) => ({
      says: (seen: Endpoint) => ({ ...seen, port: (seen.port + by) % 60_000 || 1 }),
    });
    await using one = await StunServer.start("127.0.0.2", shifted(1));
    await using two = await StunServer.start("127.0.0.3", shifted(2));
    const { client, sockets } = await start([one.name, two.name]);
    await using _ = sockets;
    expect((await client.ask([])).verdict).toBe("symmetric");
  });

  it("says blocked after three rounds without an answer, and not when one was given up", async () => {
    const client = new StunClient(["192.0.2.1:3478"], { send: () => false });
    for (let i = 0; i < 3; i++)
      expect((await client.ask([], { signal: AbortSignal.abort() })).verdict).toBe("unknown");
    const rounds: string[] = [];
    for (let i = 0; i < 3; i++) rounds.push((await client.ask([])).verdict);
    expect(rounds).toEqual(["unknown", "unknown", "blocked"]);
  });

  it("resolves names, is not held up by one that hangs, and uses what it knows", async () => {
    await using one = await StunServer.start("127.0.0.2");
    const { port } = one.endpoint;
    let isBroken = false;
    const { client, sockets } = await start(
      [`good.test:${port}`, `hangs.test:${port}`],
      async (host, signal) => {
        if (host === "hangs.test")
          return await new Promise((_, reject) => signal.addEventListener("abort", reject, { once: true }));
        if (isBroken) throw new Error("ENOTFOUND");
        return ["nonsense", "224.0.0.1", "127.0.0.2"];
      },
    );
    await using _ = sockets;
    let first: Endpoint | undefined;
    const ending = new AbortController();
    const report = await client.ask([], {
      signal: ending.signal,
      onSeen: ({ server }) => {
        first = server;
        ending.abort();
      },
    });
    expect(first).toEqual(one.endpoint);
    expect(report.seen).toHaveLength(1);
    isBroken = true;
    const again = new AbortController();
    const { seen } = await client.ask([], { signal: again.signal, onSeen: () => again.abort() });
    expect(seen).toHaveLength(1);
  });

  it("keeps what a name stood for while it cannot be looked up", async () => {
    let now = 0;
    let looks = 0;
    const names = new StunServerNames(
      async () => {
        if (++looks > 1) throw new Error("ESERVFAIL");
        return ["192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1", "::ffff:192.0.2.4"];
      },
      () => now,
    );
    const server = { host: "stun.test", port: 3478 };
    const addresses = async (): Promise<string[]> =>
      (await names.endpointsOf(server, new AbortController().signal)).map(({ address }) => address);
    expect(await addresses()).toEqual(["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    now = 299_000;
    await addresses();
    expect(looks).toBe(1);
    now = 301_000;
    expect(await addresses()).toEqual(["192.0.2.1", "192.0.2.2", "2001:db8::1"]);
    expect(looks).toBe(2);
  });
});

describe("the list of servers", () => {
  it("is HOST:PORT, the port 3478 when there is none", () => {
    expect(parseStunServers(["stun.example.org:19302", "[2001:db8::1]:99", "192.0.2.1"])).toEqual([
      { host: "stun.example.org", port: 19_302 },
      { host: "2001:db8::1", port: 99 },
      { host: "192.0.2.1", port: 3478 },
    ]);
  });

  it.each(["", ":3478", "a:0", "a:65536", "2001:db8::1", "[a]:1", "a b:1", "stun:a:1", "a:1 "])(
    "refuses %j",
    (text) =>
      expect(() => parseStunServers([text])).toThrow(expect.objectContaining({ code: "INVALID_OPTION" })),
  );
});

describe("the verdict", () => {
  const [a, b, c] = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map((address) => named(address, 3478));
  const seen = (server: Endpoint | undefined, address: string, port: number) => ({
    server: server ?? named("192.0.2.9", 1),
    seen: named(address, port),
  });

  it("needs two servers that agree; one that lies is outvoted", () => {
    expect(verdictOf([], [])).toBe("unknown");
    expect(verdictOf([seen(a, "203.0.113.1", 5)], [])).toBe("unknown");
    expect(verdictOf([seen(a, "203.0.113.1", 5), seen(b, "203.0.113.1", 5)], [])).toBe("stable");
    expect(
      verdictOf([seen(c, "203.0.113.7", 5), seen(a, "203.0.113.1", 5), seen(b, "203.0.113.1", 5)], []),
    ).toBe("stable");
    expect(verdictOf([seen(a, "203.0.113.1", 5), seen(b, "203.0.113.1", 6)], [])).toBe("symmetric");
  });

  it("takes two ports of one server for one", () => {
    const [x, y] = [named("192.0.2.1", 3478), named("192.0.2.1", 3479)];
    expect(verdictOf([seen(x, "203.0.113.1", 5), seen(y, "203.0.113.1", 5)], [])).toBe("unknown");
    expect(verdictOf([seen(x, "203.0.113.1", 5), seen(y, "203.0.113.1", 6)], [])).toBe("symmetric");
  });

  it("does not depend on the order", () => {
    const sightings = fc.array(
      fc
        .tuple(fc.nat(3), fc.nat(2))
        .map(([server, port]) => seen(named(`192.0.2.${server}`, 1), "203.0.113.1", port + 1)),
    );
    fc.assert(
      fc.property(sightings, (some) => {
        expect(verdictOf([...some].reverse(), [])).toBe(verdictOf(some, []));
      }),
    );
  });
});
