import fc from "fast-check";
import { describe, expect, it } from "vitest";
import bundled from "../brokers.json" with { type: "json" };
import {
  addressOf,
  type Broker,
  brokersOf,
  defaultBrokers,
  isHost,
  parseBrokerPool,
  portOf,
} from "../src/wire/broker-pool.js";

const anyPort = fc.integer({ min: 1, max: 65535 });
const anyEntry = fc.record(
  {
    port: anyPort,
    tls: anyPort,
    ws: anyPort,
    wss: anyPort,
    path: fc.string().map((text) => `/${text}`),
    weight: fc.double({ min: 1e-9, max: 1e9, noNaN: true }),
    username: fc.string(),
    password: fc.string(),
    rate: fc.record({
      perSecond: fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
      burst: fc.double({ min: 1, max: 1e6, noNaN: true }),
    }),
  },
  { requiredKeys: [] },
);
const anyFamily = fc.dictionary(
  fc.domain().filter((host) => host.length <= 253),
  anyEntry,
  { maxKeys: 5, noNullPrototype: true },
);
const anyPool = fc.record(
  { updated: fc.string(), IPv4: anyFamily, IPv6: anyFamily },
  { requiredKeys: [], noNullPrototype: true },
);

describe("a pool", () => {
  it("comes out as it went in, with every weight filled in", () => {
    fc.assert(
      fc.property(anyPool, (pool) => {
        const filled = (family: Record<string, object> = {}): object =>
          Object.fromEntries(Object.entries(family).map(([host, entry]) => [host, { weight: 1, ...entry }]));
        const { updated } = pool;
        expect(parseBrokerPool(pool)).toEqual({
          ...(updated === undefined ? {} : { updated }),
          IPv4: filled(pool.IPv4),
          IPv6: filled(pool.IPv6),
        });
      }),
    );
  });

  it("is the same from JSON, and parsed once more", () => {
    fc.assert(
      fc.property(anyPool, (pool) => {
        const parsed = parseBrokerPool(pool);
        expect(parseBrokerPool(JSON.stringify(pool))).toEqual(JSON.parse(JSON.stringify(parsed)));
        expect(parseBrokerPool(parsed)).toEqual(parsed);
      }),
    );
  });

  it("is a copy: what the caller changes later is not seen", () => {
    const rate = { perSecond: 1, burst: 2 };
    const pool = { IPv4: { "a.example": { port: 1883, rate } } };
    const parsed = parseBrokerPool(pool);
    pool.IPv4["a.example"].port = 1;
    rate.burst = 99;
    expect(parsed.IPv4?.["a.example"]).toEqual({ port: 1883, weight: 1, rate: { perSecond: 1, burst: 2 } });
  });

  it("leaves out what it does not know", () => {
    expect(parseBrokerPool({ comment: "x", IPv4: { "a.example": { port: 1, owner: "x" } } })).toEqual({
      IPv4: { "a.example": { port: 1, weight: 1 } },
      IPv6: {},
    });
  });

  it("keeps an entry without any port: another platform may use it", () => {
    expect(parseBrokerPool({ IPv4: { "a.example": {} } }).IPv4).toEqual({ "a.example": { weight: 1 } });
  });

  it("takes addresses of the right family, and names in both", () => {
    const pool = parseBrokerPool({
      IPv4: { "192.0.2.1": {}, "a.example": {}, localhost: {} },
      IPv6: { "2001:db8::1": {}, "::1": {}, "a.example": {} },
    });
    expect(Object.keys(pool.IPv4 ?? {})).toHaveLength(3);
    expect(Object.keys(pool.IPv6 ?? {})).toHaveLength(3);
  });
});

describe("a malformed pool", () => {
  const at = (entry: object, host = "a.example"): object => ({ IPv4: { [host]: entry } });
  const entry = 'IPv4["a.example"]';

  it.each([
    ["nothing", undefined, "pool"],
    ["null", null, "pool"],
    ["an array", [], "pool"],
    ["a number", 7, "pool"],
    ["text that is not JSON", "{", "pool"],
    ["JSON that is no object", "[]", "pool"],
    ["a date that is no text", { updated: 2026 }, "updated"],
    ["a list for a family", { IPv4: [] }, "IPv4"],
    ["null for a family", { IPv6: null }, "IPv6"],
    ["a port for an entry", { IPv4: { "a.example": 1883 } }, entry],
    ["null for an entry", { IPv4: { "a.example": null } }, entry],
    ["a list for an entry", { IPv6: { "a.example": [] } }, 'IPv6["a.example"]'],
    ["an empty host", at({}, ""), 'IPv4[""]'],
    ["a host that is not ASCII", at({}, "bröker"), 'IPv4["bröker"]'],
    ["a host with a space", at({}, "a b"), 'IPv4["a b"]'],
    ["a URL for a host", at({}, "mqtt://a"), 'IPv4["mqtt://a"]'],
    ["a host with credentials", at({}, "u@a"), 'IPv4["u@a"]'],
    ["a host with brackets", { IPv6: { "[::1]": {} } }, 'IPv6["[::1]"]'],
    ["a host that is too long", at({}, "a".repeat(254)), `IPv4["${"a".repeat(254)}"]`],
    ["an IPv6 address among the IPv4 brokers", at({}, "::1"), 'IPv4["::1"]'],
    ["an IPv4 address among the IPv6 brokers", { IPv6: { "192.0.2.1": {} } }, 'IPv6["192.0.2.1"]'],
    ["port 0", at({ port: 0 }), `${entry}.port`],
    ["port 65536", at({ port: 65536 }), `${entry}.port`],
    ["a port as text", at({ port: "1883" }), `${entry}.port`],
    ["half a port", at({ tls: 1.5 }), `${entry}.tls`],
    ["null for a port", at({ ws: null }), `${entry}.ws`],
    ["NaN for a port", at({ wss: Number.NaN }), `${entry}.wss`],
    ["a path without a slash", at({ path: "mqtt" }), `${entry}.path`],
    ["a number for a path", at({ path: 1 }), `${entry}.path`],
    ["weight 0", at({ weight: 0 }), `${entry}.weight`],
    ["a negative weight", at({ weight: -1 }), `${entry}.weight`],
    ["an infinite weight", at({ weight: Number.POSITIVE_INFINITY }), `${entry}.weight`],
    ["NaN for a weight", at({ weight: Number.NaN }), `${entry}.weight`],
    ["a weight as text", at({ weight: "1" }), `${entry}.weight`],
    ["a number for a user name", at({ username: 1 }), `${entry}.username`],
    ["null for a password", at({ password: null }), `${entry}.password`],
    ["a password longer than MQTT can tell", at({ password: "x".repeat(21_846) }), `${entry}.password`],
    ["a number for a rate", at({ rate: 10 }), `${entry}.rate`],
    ["a rate of 0 per second", at({ rate: { perSecond: 0, burst: 1 } }), `${entry}.rate.perSecond`],
    ["a rate without perSecond", at({ rate: { burst: 1 } }), `${entry}.rate.perSecond`],
    ["a burst below 1", at({ rate: { perSecond: 1, burst: 0.5 } }), `${entry}.rate.burst`],
    ["a rate without burst", at({ rate: { perSecond: 1 } }), `${entry}.rate.burst`],
  ])("is refused with the place of its fault: %s", (_, pool, path) => {
    expect(() => parseBrokerPool(pool)).toThrow(
      expect.objectContaining({ name: "InvalidInputError", code: "INVALID_POOL", path }),
    );
  });

  it.each([
    ["a bad port beside it", JSON.stringify(at({ username: "alice", password: "hunter2", port: 0 }))],
    ["a password of the wrong type", at({ username: "alice", password: ["hunter2"] })],
    ["JSON with the wrong quotes", `{"IPv4":{"a.example":{"username":"alice","password":'hunter2'}}}`],
  ])("does not show its credentials: %s", (_, pool) => {
    expect(() => parseBrokerPool(pool)).toThrow(
      expect.objectContaining({ message: expect.not.stringMatching(/alice|hunter2/) }),
    );
  });
});

describe("the bundled pool", () => {
  it("has the entries of brokers.json, with a date and a rate for each", () => {
    expect(defaultBrokers.updated).toMatch(/^\d{4}-\d{2}-\d{2}$/);
    for (const family of ["IPv4", "IPv6"] as const) {
      const brokers = brokersOf(defaultBrokers, family);
      expect(brokers.map(({ host }) => host)).toEqual(Object.keys(bundled[family]));
      for (const { rate } of brokers) expect(rate).toBeDefined();
    }
  });

  it("reaches a browser: some brokers speak wss", () => {
    expect(brokersOf(defaultBrokers, "IPv4").filter(({ wss }) => wss !== undefined).length).toBeGreaterThan(
      2,
    );
  });
});

describe("a broker", () => {
  const pool = parseBrokerPool({
    IPv4: { "a.example": { port: 1, tls: 2, ws: 3, wss: 4, username: "alice", password: "hunter2" } },
    IPv6: { "b.example": { tls: 2 } },
  });

  it("has its family, its host and its entry", () => {
    expect(brokersOf(pool, "IPv6")).toEqual([{ family: "IPv6", host: "b.example", tls: 2, weight: 1 }]);
    expect(brokersOf({}, "IPv4")).toEqual([]);
  });

  it("has a port for each transport that it speaks", () => {
    const [a] = brokersOf(pool, "IPv4");
    const [b] = brokersOf(pool, "IPv6");
    const portsOf = (broker: Broker | undefined): unknown[] =>
      (["mqtt", "mqtts", "ws", "wss"] as const).map((transport) => broker && portOf(broker, transport));
    expect(portsOf(a)).toEqual([1, 2, 3, 4]);
    expect(portsOf(b)).toEqual([undefined, 2, undefined, undefined]);
  });

  it("is shown without its credentials", () => {
    const shown = [...brokersOf(pool, "IPv4"), ...brokersOf(pool, "IPv6")].map(addressOf);
    expect(shown).toEqual([
      { family: "IPv4", host: "a.example", port: 1 },
      { family: "IPv6", host: "b.example" },
    ]);
  });
});

describe("a host", () => {
  it.each(["a", "broker.example.com", "192.0.2.1", "::1", "fe80::1%eth0", "a".repeat(253)])(
    "can be %s",
    (host) => {
      expect(isHost(host)).toBe(true);
    },
  );

  it.each(["", " ", "a b", "a/b", "a\\b", "a@b", "a?b", "a#b", "[::1]", 'a"b', "ä", "a\n", "a".repeat(254)])(
    "cannot be %o",
    (host) => {
      expect(isHost(host)).toBe(false);
    },
  );
});
