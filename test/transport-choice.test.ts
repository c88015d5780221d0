import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isSecure, waysTo } from "../src/brokers/transport-choice.js";
import type { Transport } from "../src/platform/transports.js";
import type { BrokerEntry } from "../src/wire/broker-pool.js";

const ALL: readonly Transport[] = ["mqtt", "mqtts", "wss", "ws"];
const EVERY = { port: 1883, tls: 8883, wss: 8884, ws: 8083 } satisfies BrokerEntry;
const LOGIN = { username: "u", password: "p" };

function order(entry: BrokerEntry, transports: readonly Transport[], allowInsecure = false): string {
  return waysTo(entry, { transports, allowInsecure })
    .map(({ transport }) => transport)
    .join(" ");
}

describe("the ways to a broker", () => {
  it.each<[string, BrokerEntry, readonly Transport[], string]>([
    ["by preference, and none without TLS after one with it", EVERY, ALL, "mqtt mqtts wss"],
    ["TLS first, then nothing else", EVERY, ["wss", "mqtt", "mqtts", "ws"], "wss mqtts"],
    ["what is not encrypted alone, where nothing else may be used", EVERY, ["ws", "mqtt"], "ws mqtt"],
    ["what is not encrypted alone, where there is nothing else", { port: 1, ws: 2 }, ALL, "mqtt ws"],
    ["none, where nothing fits", { port: 1 }, ["wss"], ""],
    ["with a login: TLS alone", { ...EVERY, ...LOGIN }, ALL, "mqtts wss"],
    ["with a name alone", { ...EVERY, username: "token" }, ALL, "mqtts wss"],
    ["with a login, and nothing that keeps it", { port: 1, ws: 2, ...LOGIN }, ALL, "mqtt ws"],
    [
      "with a login that only a transport keeps which may not be used",
      { ws: 1, tls: 2, ...LOGIN },
      ["wss", "ws"],
      "",
    ],
  ])("are %s", (_, entry, transports, ways) => {
    expect(order(entry, transports)).toBe(ways);
  });

  it.each<[string, BrokerEntry, readonly Transport[], string]>([
    ["as they are preferred", EVERY, ["wss", "mqtt", "mqtts", "ws"], "wss mqtt mqtts ws"],
    ["TLS first for a login", { ...EVERY, ...LOGIN }, ALL, "mqtts wss mqtt ws"],
    ["a login in clear, if need be", { ...EVERY, ...LOGIN }, ["ws"], "ws"],
  ])("are all that there are with allowInsecure: %s", (_, entry, transports, ways) => {
    expect(order(entry, transports, true)).toBe(ways);
  });

  it("never lead from TLS to what is weaker, nor a login out in clear that has another way", () => {
    const port = fc.option(fc.integer({ min: 1, max: 65_535 }), { nil: undefined });
    const entries = fc.record(
      { port, tls: port, ws: port, wss: port, username: fc.string(), password: fc.string() },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(entries, fc.shuffledSubarray([...ALL]), (some, transports) => {
        // A field that is not there is left out of a pool.
        const entry: BrokerEntry = JSON.parse(JSON.stringify(some));
        const ways = waysTo(entry, { transports, allowInsecure: false }).map(isSecure);
        expect(ways).toEqual(ways.toSorted());
        const hasLogin = entry.username !== undefined || entry.password !== undefined;
        if (hasLogin && (entry.tls ?? entry.wss) !== undefined) expect(ways).not.toContain(false);
        const all = waysTo(entry, { transports, allowInsecure: true });
        expect(new Set(all.map(({ transport }) => transport)).size).toBe(all.length);
      }),
    );
  });
});
