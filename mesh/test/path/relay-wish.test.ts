import { describe, expect, it } from "vitest";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { createPath, onAnswered, onSent, type Path, penalise } from "../../src/path/path.js";
import { RelayWish } from "../../src/path/relay-wish.js";
import { Tier } from "../../src/path/tiers.js";

function pathThatWorks(now: number): Path {
  const name = "203.0.113.1:51820";
  const endpoint = parseEndpoint(name) ?? { address: "203.0.113.1", family: 4 as const, port: 51_820 };
  const path = createPath(name, endpoint, Tier.Reflexive);
  onSent(path, now);
  onAnswered(path, 20, now);
  return path;
}

/** When a relay is wished for, asked at each moment that the wish names. */
function wishes(
  wish: RelayWish,
  path: Path | undefined,
  isHopeless: boolean,
  from: number,
  to: number,
): number[] {
  const found: number[] = [];
  for (let now = from; now < to; now = Math.max(now + 1, Math.min(to, wish.nextAt(path, now))))
    if (wish.take(path, isHopeless, now)) found.push(now);
  return found;
}

describe("a relay", () => {
  it("is sought once a direct path had its time, and then ever more rarely", () => {
    expect(wishes(new RelayWish(), undefined, false, 0, 60_000)).toEqual([
      1_000, 3_000, 7_000, 15_000, 31_000,
    ]);
  });

  it("is sought at once where no direct path is possible, and when the one in use was lost", () => {
    expect(wishes(new RelayWish(), undefined, true, 0, 1_000)).toEqual([0]);
    const wish = new RelayWish();
    expect(wish.take(undefined, false, 0)).toBe(false);
    expect(wish.take(pathThatWorks(500), false, 500)).toBe(false);
    expect(wish.take(undefined, false, 60_000)).toBe(true);
  });

  it("is not sought while a path works, and is at its first probe that is not answered", () => {
    const wish = new RelayWish();
    const path = pathThatWorks(0);
    expect(wish.nextAt(path, 0)).toBe(Number.POSITIVE_INFINITY);
    expect(wishes(wish, path, false, 0, 60_000)).toEqual([]);
    onSent(path, 60_000);
    // The timeout of a round trip of 20 ms.
    expect(wishes(wish, path, false, 60_000, 63_000)).toEqual([60_250, 61_250, 62_250]);
  });

  it("is sought while the path in use answers probes and loses WireGuard's packets", () => {
    const wish = new RelayWish();
    const path = pathThatWorks(0);
    penalise(path, 5_000);
    expect(wishes(wish, path, false, 5_000, 8_000)).toEqual([5_000, 6_000, 7_000]);
    expect(wishes(wish, path, false, path.penalisedUntil, 90_000)).toEqual([]);
  });
});
