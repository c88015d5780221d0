import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Gathered, isSame, KEEP_MS, MAX_ANNOUNCED } from "../../src/candidates/gather.js";
import type { Endpoint } from "../../src/ip/endpoint.js";

const four = (address: string, port = 51_820): Endpoint => ({ address, family: 4, port });
const texts = (gathered: Gathered, now = 0): string[] =>
  gathered.candidates(now).map(({ kind, endpoint }) => `${kind} ${endpoint.address}:${endpoint.port}`);

describe("what a host announces of itself", () => {
  it("is what is configured, then mapped, its own addresses, and what others see", () => {
    const gathered = new Gathered();
    expect(gathered.saw("one", four("203.0.113.1"), 0)).toBe(true);
    expect(gathered.found("host", [four("192.168.1.2"), four("10.1.1.1")])).toBe(true);
    expect(gathered.found("configured", [four("198.51.100.1", 9)])).toBe(true);
    expect(gathered.found("mapped", [four("203.0.113.1", 7)])).toBe(true);
    expect(texts(gathered)).toEqual([
      "configured 198.51.100.1:9",
      "mapped 203.0.113.1:7",
      "host 192.168.1.2:51820",
      "host 10.1.1.1:51820",
      "reflexive 203.0.113.1:51820",
    ]);
    expect(gathered.found("host", [four("10.1.1.1"), four("192.168.1.2")])).toBe(false);
    expect(gathered.found("host", [four("10.1.1.1")])).toBe(true);
  });

  it("names a place once: a public address of the host's own is no reflexive one", () => {
    const gathered = new Gathered();
    gathered.found("host", [four("203.0.113.1")]);
    gathered.saw("one", four("203.0.113.1"), 0);
    expect(texts(gathered)).toEqual(["host 203.0.113.1:51820"]);
  });

  it("keeps an outside address that alternates, without any news, and forgets one after 5 min 10 s", () => {
    const gathered = new Gathered();
    for (let round = 0; round < 20; round++) {
      const now = round * 25_000;
      const isFirst = round === 0;
      expect(gathered.saw("stun", four("203.0.113.1", 1000 + (round % 2)), now)).toBe(round < 2);
      expect(gathered.saw("peer", four("203.0.113.2"), now)).toBe(isFirst);
      expect(gathered.candidates(now)).toHaveLength(round === 0 ? 2 : 3);
    }
    expect(gathered.candidates(19 * 25_000 + KEEP_MS)).toHaveLength(2);
    expect(gathered.candidates(19 * 25_000 + KEEP_MS + 1)).toHaveLength(0);
    expect(gathered.saw("stun", four("203.0.113.1", 1000), 1e6)).toBe(true);
  });

  it("tells how long ago an outside address was seen", () => {
    const gathered = new Gathered();
    gathered.saw("one", four("203.0.113.1"), 1000);
    gathered.saw("two", four("203.0.113.1"), 3000);
    expect(gathered.candidates(63_500)[0]?.ageS).toBe(60);
  });

  it("puts first what two agree on; who lies takes few places, and nobody's", () => {
    const gathered = new Gathered();
    gathered.saw("one", four("203.0.113.1"), 0);
    gathered.saw("two", four("203.0.113.1"), 1);
    for (let i = 0; i < 100; i++) gathered.saw("liar", four(`198.51.100.${i}`), 2 + i);
    expect(texts(gathered, 200).slice(0, 2)).toEqual([
      "reflexive 203.0.113.1:51820",
      "reflexive 198.51.100.99:51820",
    ]);
    expect(gathered.candidates(200)).toHaveLength(5);
    for (const address of ["127.0.0.1", "224.0.0.1", "0.0.0.0", "169.254.1.1", "255.255.255.255", "nonsense"])
      expect(gathered.saw("liar", four(address), 300)).toBe(false);
  });

  it("remembers six ports of one outside address, the last ones", () => {
    const gathered = new Gathered();
    for (let i = 1; i <= 20; i++) gathered.saw(`source ${i}`, four("203.0.113.1", i), i);
    expect(texts(gathered, 20)).toEqual(
      [20, 19, 18, 17, 16, 15].map((port) => `reflexive 203.0.113.1:${port}`),
    );
  });

  it("is short, has no place twice and leaves room for what others see, whatever is found", () => {
    const endpoint = fc
      .tuple(fc.nat(3), fc.nat(60), fc.integer({ min: 1, max: 30 }))
      .map(([net, host, port]) => four(`203.0.${net}.${host}`, port));
    const events = fc.array(
      fc.oneof(
        fc.record({ source: fc.nat(40), endpoint, at: fc.nat(400_000) }),
        fc.record({
          kind: fc.constantFrom("host" as const, "mapped" as const),
          endpoints: fc.array(endpoint),
        }),
      ),
      { maxLength: 200 },
    );
    fc.assert(
      fc.property(events, (happened) => {
        const gathered = new Gathered();
        let now = 0;
        let hasSeen = false;
        for (const event of happened) {
          if ("kind" in event) gathered.found(event.kind, event.endpoints);
          else {
            now = Math.max(now, event.at);
            gathered.saw(`${event.source}`, event.endpoint, now);
            hasSeen = true;
          }
        }
        const list = gathered.candidates(now);
        expect(list.length).toBeLessThanOrEqual(MAX_ANNOUNCED);
        const places = new Set(list.map((one) => `${one.endpoint.address}:${one.endpoint.port}`));
        expect(places.size).toBe(list.length);
        expect(isSame(list, [...list].reverse())).toBe(true);
        expect(isSame(list, list.slice(1))).toBe(list.length === 0);
        expect(hasSeen).toBe(list.some(({ kind }) => kind === "reflexive") || hasSeen);
      }),
    );
  });
});
