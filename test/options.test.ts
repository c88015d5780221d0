import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { platform } from "#platform";
import { MemoryHintStore } from "../src/brokers/hints.js";
import {
  parsePipeOptions,
  parseProbeOptions,
  parseRouterOptions,
  parseSendOptions,
  parseSignal,
  parseStartOptions,
  type RouterOptions,
  type Settings,
} from "../src/options.js";
import { defaultBrokers } from "../src/wire/broker-pool.js";
import { PACKET_OVERHEAD } from "../src/wire/packet.js";
import { sealedLength } from "../src/wire/seal.js";

/** A caller without types may pass anything. */
type Untyped = (options: unknown) => unknown;

// A caller without types may pass anything.
const parsePipe: Untyped = (options) => (parsePipeOptions as (...args: unknown[]) => unknown)(options, false);
const parseProbe: Untyped = (options) =>
  (parseProbeOptions as (...args: unknown[]) => unknown)(options, false);

const getTime = (): number => 0;
const NEVER: unknown[] = [
  null,
  "1",
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  {},
  [1],
  true,
  1n,
];
const NO_FLAGS: unknown[] = [null, 0, 1, "yes", "false", {}, []];
const MAX_MS = 2 ** 31 - 1;

function router(options: Record<string, unknown>): Settings {
  // A caller without types may pass anything.
  return parseRouterOptions({ getTime, ...options } as unknown as RouterOptions);
}

function errorOf(run: () => unknown): Error {
  try {
    run();
  } catch (error) {
    if (error instanceof Error) return error;
  }
  throw new Error("no error");
}

/** The error for a bad value: its path is the option, or a place in it. */
function naming(option: string): unknown {
  return expect.objectContaining({
    name: "InvalidInputError",
    code: "INVALID_OPTION",
    path: expect.stringMatching(new RegExp(`^${option}(\\W|$)`)),
    message: expect.stringContaining(option),
  });
}

describe("a router's options", () => {
  it("have these defaults", () => {
    expect(parseRouterOptions({ getTime })).toEqual({
      getTime,
      brokers: defaultBrokers,
      families: platform.localFamilies(),
      nic: {},
      transports: ["mqtt", "mqtts", "wss", "ws"],
      allowInsecure: false,
      ca: undefined,
      onMessage: undefined,
      accept: undefined,
      inboundBrokers: 3,
      reserveBrokers: 8,
      fanOut: 3,
      widenAfterMs: 400,
      maxInFlight: 64,
      maxMessageBytes: 61_440,
      gapTimeoutMs: 1000,
      idleTimeoutMs: 600_000,
      encrypt: false,
      requireEncryption: false,
      allowPrivateHints: false,
      hintStore: expect.any(MemoryHintStore),
      verify: expect.any(Function),
    });
  });

  it("are of each router alone: two share no hint store", () => {
    expect(parseRouterOptions({ getTime }).hintStore).not.toBe(parseRouterOptions({ getTime }).hintStore);
  });

  it("come out as they went in", () => {
    const given = {
      getTime,
      families: ["IPv6"],
      nic: { IPv4: "192.0.2.1", IPv6: "2001:db8::1" },
      transports: ["wss", "mqtt"],
      allowInsecure: true,
      onMessage: () => {},
      accept: () => true,
      inboundBrokers: 10,
      reserveBrokers: 0,
      fanOut: 1,
      widenAfterMs: 50.5,
      maxInFlight: 1,
      maxMessageBytes: 10,
      gapTimeoutMs: 0,
      idleTimeoutMs: 1000,
      encrypt: true,
      requireEncryption: true,
      allowPrivateHints: true,
      hintStore: { get: () => undefined, set: () => {} },
      verify: () => true,
    };
    expect(router(given)).toMatchObject(given);
  });

  it("have certificates read once, for all connections", () => {
    const ca = readFileSync(new URL("./support/tls/ca.pem", import.meta.url), "utf8");
    expect(router({ ca }).ca).toHaveProperty("context");
  });

  it.each([undefined, null, "options", 7, () => {}])("must be an object, not %o", (options) => {
    expect(() => (parseRouterOptions as Untyped)(options)).toThrow(naming("options"));
  });

  it.each([undefined, null, 0, Date.now(), "now", new Date(0)])(
    "must have a clock; getTime: %o is none",
    (clock) => {
      expect(() => router({ getTime: clock })).toThrow(naming("getTime"));
      expect(() => (parseRouterOptions as Untyped)({})).toThrow(naming("getTime"));
    },
  );

  it.each([
    ["seconds", 1e-3],
    ["microseconds", 1e3],
    ["nanoseconds", 1e6],
  ])("say of a clock that it counts %s", (unit, factor) => {
    expect(() => router({ getTime: () => Math.floor(Date.now() * factor) })).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTION",
        path: "getTime",
        message: expect.stringMatching(
          new RegExp(`^getTime: expected Unix milliseconds, got \\d+: these are ${unit}$`),
        ),
      }),
    );
  });

  it.each([
    ["a promise", async () => Date.now()],
    ["a Date", () => new Date()],
    ["a text", () => `${Date.now()}`],
    ["a bigint", () => BigInt(Date.now())],
    ["nothing", () => {}],
  ])("refuse a clock that gives %s", (_, clock) => {
    expect(() => router({ getTime: clock })).toThrow(naming("getTime"));
  });

  it.each<[string, () => number]>([
    ["NaN", () => Number.NaN],
    ["a time before 1970", () => -1],
    [
      "an error",
      () => {
        throw new Error("not set yet");
      },
    ],
  ])("take a clock that gives %s: it may be set later", (_, clock) => {
    expect(router({ getTime: clock }).getTime).toBe(clock);
  });

  it.each([
    ["onMesage", "onMessage"],
    ["onmessage", "onMessage"],
    ["getime", "getTime"],
    ["broker", "brokers"],
    ["transport", "transports"],
    ["fanout", "fanOut"],
    ["maxMessageSize", "maxMessageBytes"],
    ["hintsStore", "hintStore"],
    ["encryption", "encrypt"],
    ["toString", "over"],
    ["timeout", "gapTimeoutMs"],
  ])("refuse %s, and name what is nearest to it", (name, nearest) => {
    expect(() => router({ [name]: 1 })).toThrow(
      expect.objectContaining({
        code: "INVALID_OPTION",
        path: name,
        message: `${name}: no such option, the nearest is "${nearest}"`,
      }),
    );
    expect(() => router({ [name]: undefined })).not.toThrow();
  });

  it("are not repeated at length in an error", () => {
    const { message } = errorOf(() => router({ ["x".repeat(1e6)]: 1 }));
    expect(message.length).toBeLessThan(200);
  });

  it("leave what a newer pool has in its entries", () => {
    const brokers = { IPv4: { "a.example": { port: 1883, quic: 1884 } }, IPv8: {} };
    expect(router({ brokers }).brokers).toMatchObject({ IPv4: { "a.example": { port: 1883 } } });
  });

  it.each([
    ["inboundBrokers", 1, 100],
    ["reserveBrokers", 0, 100],
    ["fanOut", 1, 100],
    ["maxInFlight", 1, 10_000],
    ["maxMessageBytes", 1, 2 ** 24],
  ] as const)("take for %s the whole numbers from %d to %d", (name, min, max) => {
    expect(router({ [name]: min })[name]).toBe(min);
    expect(router({ [name]: max })[name]).toBe(max);
    for (const bad of [min - 1, max + 1, min + 0.5, ...NEVER]) {
      expect(() => router({ [name]: bad })).toThrow(naming(name));
    }
  });

  it.each([
    ["widenAfterMs", 10, 60_000],
    ["gapTimeoutMs", 0, 60_000],
    ["idleTimeoutMs", 1000, MAX_MS],
  ] as const)("take for %s %d to %d ms", (name, min, max) => {
    expect(router({ [name]: min })[name]).toBe(min);
    expect(router({ [name]: max })[name]).toBe(max);
    for (const bad of [min - 1, max + 1, ...NEVER])
      expect(() => router({ [name]: bad })).toThrow(naming(name));
  });

  it.each([
    ["families", [[], "IPv4", ["ipv4"], [4], ["IPv4", "IPv5"], [undefined], {}, null, 4]],
    ["transports", [[], "mqtt", ["tcp"], ["mqtt", "MQTT"], [null], {}, null, 1883]],
    ["encrypt", NO_FLAGS],
    ["requireEncryption", NO_FLAGS],
    ["allowPrivateHints", NO_FLAGS],
    ["onMessage", [null, "log", {}, 0]],
    ["accept", [null, true, [], "03ab"]],
    ["verify", [null, true, {}]],
    ["hintStore", [null, "hints.json", {}, { get: () => undefined }, { set: () => {} }, { get: 1, set: 2 }]],
    [
      "ca",
      [
        null,
        "",
        "cert.pem",
        7,
        ["-----BEGIN CERTIFICATE-----"],
        "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
        new Uint8Array(9),
      ],
    ],
  ])("refuse bad values of %s", (name, values) => {
    for (const value of values) expect(() => router({ [name]: value }), String(value)).toThrow(naming(name));
  });

  it.each(
    [
      null,
      "",
      "eth0",
      "localhost",
      7,
      [],
      "127.0.0",
      "256.0.0.1",
      ":",
      "1:2",
      "1::2::3",
      { IPv4: "::1" },
      { IPv6: "127.0.0.1" },
      { IPv4: "eth0" },
      { IPv6: 6 },
      { IPv4: null },
      { IPv4: "127.0.0.1", IPv6: "1:2" },
    ].map((nic: unknown) => ({ nic })),
  )("refuse nic: $nic, which is no address or not of its family", ({ nic }) => {
    expect(() => router({ nic })).toThrow(naming("nic"));
  });

  it("name the place in a list or an object", () => {
    expect(() => router({ families: ["IPv4", "x"] })).toThrow(
      expect.objectContaining({ path: "families[1]" }),
    );
    expect(() => router({ nic: { IPv6: "x" } })).toThrow(expect.objectContaining({ path: "nic.IPv6" }));
    expect(() => router({ nic: { ipv4: "127.0.0.1" } })).toThrow(
      expect.objectContaining({ path: "nic.ipv4" }),
    );
    expect(() => router({ hintStore: { get: () => [] } })).toThrow(
      expect.objectContaining({ path: "hintStore.set" }),
    );
  });

  it("check the pool, with the pool's own errors", () => {
    const expected = { code: "INVALID_POOL", path: 'IPv4["a.example"].port' };
    expect(() => router({ brokers: { IPv4: { "a.example": { port: 0 } } } })).toThrow(
      expect.objectContaining(expected),
    );
    expect(() => router({ brokers: null })).toThrow(expect.objectContaining({ code: "INVALID_POOL" }));
  });

  it("take what a list has twice once, in the order of its first place", () => {
    const settings = router({ families: ["IPv6", "IPv4", "IPv6"], transports: ["ws", "mqtt", "ws"] });
    expect([settings.families, settings.transports]).toEqual([
      ["IPv6", "IPv4"],
      ["ws", "mqtt"],
    ]);
  });

  it.each([
    ["127.0.0.1", { IPv4: "127.0.0.1" }],
    ["::1", { IPv6: "::1" }],
    ["fe80::1%eth0", { IPv6: "fe80::1%eth0" }],
    ["::ffff:192.0.2.1", { IPv6: "::ffff:192.0.2.1" }],
    ["2001:DB8:0:0:0:0:0:1", { IPv6: "2001:DB8:0:0:0:0:0:1" }],
  ])("see the family of nic: %s", (nic, expected) => {
    expect(router({ nic }).nic).toEqual(expected);
  });

  it("are a copy: what the caller changes later is not seen", () => {
    const given = {
      families: ["IPv4"],
      transports: ["mqtt"],
      nic: { IPv4: "127.0.0.1" },
      brokers: { IPv4: { "a.example": { port: 1883 } } },
    };
    const settings = router(given);
    const before = structuredClone({ ...settings, getTime: 0, hintStore: 0, verify: 0 });
    given.families.push("IPv6");
    given.transports.length = 0;
    given.nic.IPv4 = "192.0.2.1";
    given.brokers.IPv4["a.example"].port = 1;
    expect({ ...settings, getTime: 0, hintStore: 0, verify: 0 }).toEqual(before);
  });

  it("are read also where the object has them from its class", () => {
    class Config {
      readonly getTime = getTime;
      get fanOut(): number {
        return 7;
      }
      get families(): readonly ["IPv6"] {
        return ["IPv6"];
      }
      get encrypt(): boolean {
        return true;
      }
    }
    expect(parseRouterOptions(new Config())).toMatchObject({ fanOut: 7, families: ["IPv6"], encrypt: true });
  });

  it("are left as they are", () => {
    const given = Object.freeze({
      getTime,
      families: Object.freeze(["IPv4"] as const),
      nic: Object.freeze({}),
    });
    expect(() => parseRouterOptions(given)).not.toThrow();
  });
});

describe("the options of a call", () => {
  const { signal } = new AbortController();

  it("have these defaults", () => {
    expect(parseStartOptions({})).toEqual({ signal: undefined, timeoutMs: 10_000 });
    expect(parseSendOptions({})).toEqual({ signal: undefined, timeoutMs: 4000 });
    expect(parsePipeOptions({}, false)).toEqual({
      useCache: false,
      encrypt: false,
      expiryMs: 3_600_000,
      hintBrokers: { usable: [], skipped: 0 },
      signal: undefined,
    });
  });

  it("come out as they went in", () => {
    const hintBrokers = [{ af: 2, host: "a.example", port: 1883 }] as const;
    const pipe = { useCache: true, encrypt: true, expiryMs: 0, hintBrokers, signal };
    const hints = { usable: hintBrokers, skipped: 0 };
    expect(parsePipeOptions(pipe, false)).toEqual({ ...pipe, hintBrokers: hints });
    expect(parseStartOptions({ signal, timeoutMs: 1 })).toEqual({ signal, timeoutMs: 1 });
    expect(parseSendOptions({ signal, timeoutMs: 600_000 })).toEqual({ signal, timeoutMs: 600_000 });
  });

  it.each<[string, Untyped, string, number, number]>([
    // A caller without types may pass anything.
    ["start", parseStartOptions as Untyped, "timeoutMs", 1, MAX_MS],
    ["send", parseSendOptions as Untyped, "timeoutMs", 1, 600_000],
    ["pipe", parsePipe, "expiryMs", 0, MAX_MS],
  ])("take for %s the times that make sense", (_, parse, name, min, max) => {
    for (const good of [min, max]) expect(parse({ [name]: good })).toMatchObject({ [name]: good });
    for (const bad of [min - 1, max + 1, ...NEVER])
      expect(() => parse({ [name]: bad })).toThrow(naming(name));
    for (const bad of [undefined, null, 7, "x"]) expect(() => parse(bad)).toThrow(naming("options"));
    for (const bad of [null, {}, "abort", new AbortController()]) {
      expect(() => parse({ signal: bad })).toThrow(naming("signal"));
    }
  });

  it.each<[string, Untyped, string, string]>([
    // A caller without types may pass anything.
    ["start", parseStartOptions as Untyped, "timeout", "timeoutMs"],
    ["send", parseSendOptions as Untyped, "timeoutms", "timeoutMs"],
    ["pipe", parsePipe, "cache", "useCache"],
    ["pipe", parsePipe, "timeoutMs", "expiryMs"],
    ["messages and close", parseSignal as Untyped, "signals", "signal"],
    ["probe", parseProbe, "hints", "hintBrokers"],
  ])("refuse for %s what is none", (_, parse, name, nearest) => {
    expect(() => parse({ [name]: 7 })).toThrow(
      expect.objectContaining({
        path: name,
        message: `${name}: no such option, the nearest is "${nearest}"`,
      }),
    );
    expect(() => parse({ [name]: undefined })).not.toThrow();
  });

  it("are for a probe those of a pipe and of a send", () => {
    expect(parseProbe({ timeoutMs: 7, useCache: true, signal })).toMatchObject({
      timeoutMs: 7,
      useCache: true,
      encrypt: false,
      signal,
    });
  });

  it("seal or don't as the router does, unless the pipe says otherwise", () => {
    expect(parsePipeOptions({}, true).encrypt).toBe(true);
    expect(parsePipeOptions({ encrypt: false }, true).encrypt).toBe(false);
    expect(parsePipeOptions({ encrypt: true }, false).encrypt).toBe(true);
  });

  it.each(["useCache", "encrypt"])("refuse for %s what is neither true nor false", (name) => {
    for (const bad of NO_FLAGS) {
      expect(() => parsePipe({ [name]: bad })).toThrow(naming(name));
    }
  });

  it("skip a hint that is odd, and refuse what is no list with the hints' own error", () => {
    expect(parsePipeOptions({ hintBrokers: [{ af: 2, host: "a.example", port: 0 }] }, false)).toMatchObject({
      hintBrokers: { usable: [], skipped: 1 },
    });
    expect(() => parsePipe({ hintBrokers: "a.example" })).toThrow(
      expect.objectContaining({ code: "INVALID_HINT", path: "hintBrokers" }),
    );
  });

  it("take a signal or none", () => {
    expect(parseSignal({})).toBeUndefined();
    expect(parseSignal({ signal: undefined })).toBeUndefined();
    expect(parseSignal({ signal })).toBe(signal);
    expect(() => parseSignal({ signal: "abort" })).toThrow(naming("signal"));
  });
});

describe("where the system does not tell its addresses, as on Android and under Deno", () => {
  afterAll(() => {
    vi.doUnmock("node:os");
    vi.resetModules();
  });

  it.each([
    [
      "refuses",
      () => {
        throw Object.assign(new Error("uv_interface_addresses returned Unknown system error 13"), {
          errno: 13,
        });
      },
      ["IPv4", "IPv6"],
    ],
    ["has none", () => ({}), ["IPv4"]],
    ["has IPv6 alone", () => ({ lo: [{ family: "IPv6" }], eth0: undefined }), ["IPv6"]],
  ])("a router starts: the system %s", async (_, networkInterfaces, families) => {
    vi.resetModules();
    vi.doMock("node:os", async (importOriginal) => ({
      ...(await importOriginal<object>()),
      networkInterfaces,
    }));
    const options = await import("../src/options.js");
    expect(options.parseRouterOptions({ getTime }).families).toEqual(families);
  });
});

describe("in a browser", () => {
  let options: typeof import("../src/options.js");

  beforeAll(async () => {
    vi.resetModules();
    vi.doMock("#platform", () => vi.importActual("../src/platform/browser.js"));
    options = await import("../src/options.js");
  });
  afterAll(() => {
    vi.doUnmock("#platform");
    vi.resetModules();
  });

  it("a router speaks WebSocket alone, in both families", () => {
    expect(options.parseRouterOptions({ getTime })).toMatchObject({
      transports: ["wss", "ws"],
      families: ["IPv4", "IPv6"],
    });
  });

  it("plain MQTT cannot be asked for", () => {
    expect(() => options.parseRouterOptions({ getTime, transports: ["wss", "mqtt"] })).toThrow(
      expect.objectContaining({ code: "INVALID_OPTION", path: "transports[1]" }),
    );
  });

  it.each([{ nic: "127.0.0.1" }, { nic: { IPv6: "::1" } }, { ca: "-----BEGIN CERTIFICATE-----" }])(
    "%o is refused in words, not ignored",
    (unsupported) => {
      const [name = ""] = Object.keys(unsupported);
      expect(() => options.parseRouterOptions({ getTime, ...unsupported })).toThrow(
        expect.objectContaining({
          name: "SidewireError",
          code: "UNSUPPORTED",
          message: expect.stringContaining(name),
        }),
      );
    },
  );
});

it("a message of the default length is within the 64 KB that brokers take, sealed, signed and addressed", () => {
  const { maxMessageBytes } = parseRouterOptions({ getTime: Date.now });
  const topic = 2 + 66;
  const fixedHeader = 4;
  expect(fixedHeader + topic + PACKET_OVERHEAD + sealedLength(maxMessageBytes)).toBeLessThanOrEqual(64_000);
});
