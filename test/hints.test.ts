import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type BrokerHint,
  brokerOfHint,
  hintOfBroker,
  MAX_HINTS,
  MAX_KEPT,
  MemoryHintStore,
  parseHints,
} from "../src/brokers/hints.js";
import { type BrokerPool, brokersOf, parseBrokerPool } from "../src/wire/broker-pool.js";

const HINT: BrokerHint = { af: 2, host: "a.example", port: 1883 };

const anyHint: fc.Arbitrary<BrokerHint> = fc.record({
  af: fc.constantFrom(2, 10),
  host: fc.domain().filter((host) => host.length <= 253),
  port: fc.integer({ min: 1, max: 65535 }),
});

const manyHints = (count: number): BrokerHint[] =>
  Array.from({ length: count }, (_, i) => ({ ...HINT, port: i + 1 }));

describe("parseHints", () => {
  it("gives back what is well-formed, and only the fields it knows", () => {
    fc.assert(
      fc.property(fc.array(anyHint, { maxLength: MAX_HINTS }), (hints) => {
        const parsed = { usable: hints, skipped: 0 };
        expect(parseHints(hints)).toEqual(parsed);
        expect(parseHints(hints.map((hint) => ({ ...hint, password: "x" })))).toEqual(parsed);
        expect(parseHints(JSON.parse(JSON.stringify(hints)))).toEqual(parsed);
      }),
    );
  });

  it("uses the first six and looks at none behind them", () => {
    expect(MAX_HINTS).toBe(6);
    expect(parseHints(manyHints(10)).usable.map(({ port }) => port)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(parseHints([...manyHints(6), "nonsense"])).toEqual({ usable: manyHints(6), skipped: 0 });
  });

  it("looks at 64 entries for them, however long the list is", () => {
    const odd = Array(1e6).fill("nonsense");
    expect(parseHints(odd)).toEqual({ usable: [], skipped: 64 });
    expect(parseHints([...odd.slice(0, 60), ...manyHints(100)])).toEqual({
      usable: manyHints(4),
      skipped: 60,
    });
  });

  it.each([
    [2, 2],
    [10, 10],
    [23, 10],
    [24, 10],
    [26, 10],
    [28, 10],
    [30, 10],
  ])("takes family %i, as some platform has it, for %i", (af, family) => {
    const host = family === 2 ? "192.0.2.1" : "2001:db8::1";
    expect(parseHints([{ af, host, port: 1883 }])).toEqual({
      usable: [{ af: family, host, port: 1883 }],
      skipped: 0,
    });
  });

  it.each<[string, unknown]>([
    ["null", null],
    ["text", "a.example"],
    ["a list", [HINT]],
    ["an unknown family", { ...HINT, af: 4 }],
    ["a family by name", { ...HINT, af: "IPv4" }],
    ["a family as text", { ...HINT, af: "10" }],
    ["an IPv6 address for IPv4", { ...HINT, host: "2001:db8::1" }],
    ["an IPv4 address for IPv6", { ...HINT, af: 10, host: "192.0.2.1" }],
    ["no host", { af: 2, port: 1883 }],
    ["an empty host", { ...HINT, host: "" }],
    ["a URL for a host", { ...HINT, host: "mqtt://a" }],
    ["a host that is not ASCII", { ...HINT, host: "bröker" }],
    ["a host that is a list", { ...HINT, host: ["a.example"] }],
    ["no port", { af: 2, host: "a.example" }],
    ["port 0", { ...HINT, port: 0 }],
    ["port 65536", { ...HINT, port: 65536 }],
    ["half a port", { ...HINT, port: 1883.5 }],
    ["a port as text", { ...HINT, port: "1883" }],
  ])("skips and counts %s, and uses the rest", (_, odd) => {
    expect(parseHints([odd, HINT, odd])).toEqual({ usable: [HINT], skipped: 2 });
  });

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["one hint instead of a list", HINT],
    ["text", "a.example"],
  ])("refuses %s, which is no list", (_, hints) => {
    expect(() => parseHints(hints)).toThrow(
      expect.objectContaining({ name: "InvalidInputError", code: "INVALID_HINT", path: "hintBrokers" }),
    );
  });
});

describe("the broker of a hint", () => {
  const pool: BrokerPool = parseBrokerPool({
    IPv4: {
      "a.example": { port: 1883, tls: 8883, wss: 443, username: "alice", password: "hunter2", weight: 3 },
    },
    IPv6: { "b.example": { port: 1883 } },
  });

  it("is the pool's own entry, with its credentials, where the port is one of its", () => {
    const [known] = brokersOf(pool, "IPv4");
    for (const port of [1883, 8883, 443]) expect(brokerOfHint({ ...HINT, port }, pool, false)).toEqual(known);
  });

  it("has no credentials on another port or in another family", () => {
    const [port, family]: BrokerHint[] = [
      { ...HINT, port: 9999 },
      { ...HINT, af: 10 },
    ];
    expect(port && brokerOfHint(port, pool, true)).toMatchObject({ family: "IPv4", port: 9999 });
    expect(family && brokerOfHint(family, pool, true)).toMatchObject({ family: "IPv6", port: 1883 });
    for (const hint of [port, family]) {
      expect(JSON.stringify(hint && brokerOfHint(hint, pool, true))).not.toMatch(/alice|hunter2/);
    }
  });

  it("speaks plain MQTT where the pool has not the broker, and weighs 1", () => {
    const hint: BrokerHint = { af: 2, host: "c.example", port: 1883 };
    const broker = { family: "IPv4", host: "c.example", port: 1883, weight: 1 };
    expect(brokerOfHint(hint, pool, true)).toEqual({ ...broker, publicOnly: false });
    expect(brokerOfHint(hint, pool, false)).toEqual({ ...broker, publicOnly: true });
  });

  it("gives the same hint again", () => {
    fc.assert(
      fc.property(anyHint, (hint) => {
        const broker = brokerOfHint(hint, {}, true);
        expect(broker && hintOfBroker(broker)).toEqual(hint);
      }),
    );
  });
});

describe("a hint at a private address", () => {
  const hosts = [
    "127.0.0.1",
    "127.1",
    "0x7f.0.0.1",
    "2130706433",
    "0.0.0.0",
    "10.1.2.3",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "224.0.0.1",
    "255.255.255.255",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "printer.local",
    "a.localhost",
    "::",
    "::1",
    "0:0:0:0:0:0:0:1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
  ];
  const hintTo = (host: string): BrokerHint => ({ af: host.includes(":") ? 10 : 2, host, port: 1883 });

  it.each(hosts)("names no broker: %s", (host) => {
    expect(brokerOfHint(hintTo(host), {}, false)).toBeUndefined();
  });

  it.each(hosts)("names one where it is allowed, or where the pool has it: %s", (host) => {
    const family = host.includes(":") ? "IPv6" : "IPv4";
    expect(brokerOfHint(hintTo(host), {}, true)).toMatchObject({ family, host, port: 1883 });
    const pool = { [family]: { [host]: { port: 1883 } } };
    expect(brokerOfHint(hintTo(host), pool, false)).toMatchObject({ family, host, port: 1883 });
  });

  it("names one on another port of a host that the pool has", () => {
    const pool = { IPv4: { "192.168.1.1": { port: 1883 } } };
    expect(brokerOfHint({ af: 2, host: "192.168.1.1", port: 1884 }, pool, false)).toMatchObject({
      host: "192.168.1.1",
      port: 1884,
      publicOnly: false,
    });
  });

  it.each([
    "11.0.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "100.63.0.1",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "192.169.0.1",
    "a.example",
    "local.example",
    "localhost.example",
    "10.example.net",
    "2606:4700::1111",
  ])("is told from a public one: %s", (host) => {
    expect(brokerOfHint(hintTo(host), {}, false)).toMatchObject({ host, publicOnly: true });
  });
});

describe("the hint of a broker", () => {
  it("names plain MQTT first, so that every peer understands it, else a port that the pool has", () => {
    const broker = { family: "IPv6", host: "a.example", weight: 1 } as const;
    expect(hintOfBroker({ ...broker, port: 1, tls: 2, wss: 3 })).toEqual({
      af: 10,
      host: "a.example",
      port: 1,
    });
    expect(hintOfBroker({ ...broker, tls: 2, wss: 3 })).toMatchObject({ port: 2 });
    expect(hintOfBroker({ ...broker, ws: 4 })).toMatchObject({ port: 4 });
  });

  it("leads back to the broker for who has it in the pool, whatever it speaks", () => {
    const pool = parseBrokerPool({
      IPv4: { "a.example": { wss: 443, path: "/x" }, "b.example": { tls: 8883 } },
    });
    for (const broker of brokersOf(pool, "IPv4")) {
      expect(brokerOfHint(hintOfBroker(broker), pool, false)).toEqual(broker);
    }
  });

  it("never has credentials", () => {
    const hint = hintOfBroker({
      family: "IPv4",
      host: "a.example",
      weight: 1,
      port: 1,
      username: "alice",
      password: "hunter2",
    });
    expect(JSON.stringify(hint)).not.toMatch(/alice|hunter2/);
  });
});

describe("MemoryHintStore", () => {
  it("gives back what was set last, and nothing for the unknown", () => {
    const store = new MemoryHintStore();
    store.set("x", [HINT]);
    store.set("x", [{ ...HINT, port: 2 }]);
    expect(store.get("x")).toEqual([{ ...HINT, port: 2 }]);
    expect(store.get("y")).toBeUndefined();
    expect([...store.entries()]).toEqual([["x", [{ ...HINT, port: 2 }]]]);
  });

  it("forgets the address that was set longest ago when it holds too many", () => {
    const store = new MemoryHintStore();
    for (let i = 0; i < MAX_KEPT; i++) store.set(`address ${i}`, [HINT]);
    store.set("address 0", []);
    store.set("one more", [HINT]);
    expect([...store.entries()]).toHaveLength(MAX_KEPT);
    expect(store.get("address 0")).toEqual([]);
    expect(store.get("address 1")).toBeUndefined();
    expect(store.get("address 2")).toEqual([HINT]);
  });

  it("takes any text for an address", () => {
    const store = new MemoryHintStore();
    expect(store.get("__proto__")).toBeUndefined();
    expect(store.get("constructor")).toBeUndefined();
    store.set("__proto__", [HINT]);
    expect(store.get("__proto__")).toEqual([HINT]);
  });
});
