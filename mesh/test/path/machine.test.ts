import { describe, expect, it } from "vitest";
import { World } from "./world/world.js";

describe("two machines that meet", () => {
  it.each([
    ["open", "open"],
    ["restricted", "restricted"],
    ["open", "symmetric"],
    ["symmetric", "open"],
  ] as const)("find a path through %s and %s", (one, other) => {
    const world = new World({ seed: 1, hosts: [{ ipv4: one }, { ipv4: other }] });
    expect(world.runTill(() => world.isConnected, 10_000)).toBeLessThan(600);
    world.runUntil(60_000);
    expect(world.isConnected).toBe(true);
  });
});
