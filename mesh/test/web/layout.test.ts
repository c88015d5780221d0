import { describe, expect, it } from "vitest";
import { type Box, capacityOf, layOut } from "../../src/web/page/layout.js";

/** The size of a label: two lines of 12 px, the longest of which has 12 letters. */
const LABEL = { width: 84, height: 38 };

function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

const WIDTHS = [280, 340, 400, 559, 560, 640, 700, 787, 960, 1100, 1900];

describe("the picture", () => {
  it.each(WIDTHS)("has nothing upon another, and nothing outside, at %i px", (width) => {
    for (let count = 0; count <= capacityOf(width); count++) {
      const { hub, places, height } = layOut(width, count);
      expect(places.length).toBe(count);
      const labels = places.map(({ labelX, labelY }) => ({
        x: labelX - LABEL.width / 2,
        y: labelY - LABEL.height / 2,
        ...LABEL,
      }));
      const all = [hub, ...places.map(({ box }) => box), ...labels];
      for (const box of all) {
        expect(box.x).toBeGreaterThanOrEqual(0);
        expect(box.x + box.width).toBeLessThanOrEqual(width + 0.01);
        expect(box.y).toBeGreaterThanOrEqual(0);
        expect(box.y + box.height).toBeLessThanOrEqual(height + 0.01);
      }
      const upon = all.flatMap((one, i) => all.slice(i + 1).filter((other) => overlap(one, other)));
      expect([count, upon]).toEqual([count, []]);
    }
  });

  it("has this host in the middle of the others, where there is room", () => {
    const { hub, places } = layOut(900, 12);
    expect(hub.x + hub.width / 2).toBe(450);
    const left = places.filter(({ box }) => box.x + box.width < hub.x);
    const right = places.filter(({ box }) => box.x > hub.x + hub.width);
    expect([left.length, right.length]).toEqual([6, 6]);
  });
});
