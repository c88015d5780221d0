import { expect, it } from "vitest";
import { ByteBucket } from "../../src/relay/byte-bucket.js";

it("a bucket of bytes lets through a second's worth at once, and then so many a second", () => {
  const bucket = new ByteBucket(1000);
  let passed = 0;
  for (let now = 0; now < 10_000; now++) {
    if (!bucket.has(100, now)) continue;
    bucket.take(100);
    passed += 100;
  }
  expect(passed).toBeGreaterThanOrEqual(10_800);
  expect(passed).toBeLessThanOrEqual(11_000);
  expect(bucket.has(1001, 1e9)).toBe(false);
});
