import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { rankRelays } from "../../src/relay/rank.js";

const key = (name: string): string => createHash("sha256").update(name).digest("base64");
const keys = fc.uniqueArray(fc.string({ minLength: 1 }).map(key), { minLength: 3, maxLength: 8 });

describe("the order of relays", () => {
  it("is the same for both sides, whatever order they know the relays in", () => {
    fc.assert(
      fc.property(keys, ([one = "", other = "", ...relays]) => {
        expect(rankRelays(other, one, relays.toReversed())).toEqual(rankRelays(one, other, relays));
      }),
    );
  });

  it("stays for all others when one goes", () => {
    fc.assert(
      fc.property(keys, fc.nat(), ([one = "", other = "", ...relays], i) => {
        const gone = relays[i % relays.length];
        const rest = relays.filter((relay) => relay !== gone);
        expect(rankRelays(one, other, rest)).toEqual(
          rankRelays(one, other, relays).filter((relay) => relay !== gone),
        );
      }),
    );
  });

  it("is another one for other pairs: they spread", () => {
    const relays = ["r1", "r2", "r3", "r4"].map(key);
    const first = Array.from({ length: 400 }, (_, i) => rankRelays(key(`a${i}`), key(`b${i}`), relays)[0]);
    for (const relay of relays) expect(first.filter((one) => one === relay).length).toBeGreaterThan(60);
  });
});
