import { describe, expect, it } from "vitest";
import { GatewayEpoch } from "../../src/port-mapping/gateway-epoch.js";

/** An epoch that was heard at 1000 s of the gateway's, and 0 of ours. */
function heard(): GatewayEpoch {
  const epoch = new GatewayEpoch();
  expect(epoch.says(1000, 0)).toBe(false);
  return epoch;
}

describe("the seconds that a gateway counts", () => {
  it.each([
    ["go on as ours do", 1600, 600, false],
    ["are slower by less than a sixteenth", 1565, 600, false],
    ["are faster by less than a sixteenth", 1635, 600, false],
    ["are off by a second", 999, 0, false],
    ["begin again", 0, 600, true],
    ["begin again just after they were heard", 3, 5, true],
    ["began again so long ago that they are more than before", 1300, 600, true],
    ["are far ahead", 5000, 600, true],
    ["are as many as there are", 0xffff_ffff, 600, true],
  ])("%s", (_, epochS, afterS, hasForgotten) => {
    expect(heard().says(epochS, afterS * 1000)).toBe(hasForgotten);
  });

  it("count from what was said last", () => {
    const epoch = heard();
    expect(epoch.says(5, 600_000)).toBe(true);
    expect(epoch.says(6, 601_000)).toBe(false);
  });

  it("are another gateway's", () => {
    const epoch = heard();
    epoch.forget();
    expect(epoch.says(5, 600_000)).toBe(false);
  });
});
