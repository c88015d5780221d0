import { describe, expect, it } from "vitest";
import { Budgets } from "../../src/probe/budgets.js";

describe("budgets", () => {
  it("give a name so many at once and so many a second, whatever others take", () => {
    const budgets = new Budgets(16, 32, 100);
    const taken = (name: string, now: number): number => {
      let count = 0;
      while (budgets.take(name, now)) count++;
      return count;
    };
    expect(taken("a", 0)).toBe(32);
    expect(taken("a", 500)).toBe(8);
    expect(taken("b", 500)).toBe(32);
    expect(taken("a", 1500)).toBe(16);
    expect(taken("a", 60_000)).toBe(32);
  });

  it("remember no more names than they may, and give an emptied one nothing before its time", () => {
    const budgets = new Budgets(16, 32, 100);
    while (budgets.take("victim", 0));
    let given = 0;
    for (let i = 0; i < 1000; i++) if (budgets.take(`name ${i}`, 0)) given++;
    expect(given).toBe(99);
    expect(budgets.size).toBe(100);
    expect(budgets.take("victim", 1)).toBe(false);
    expect(budgets.take("later", 2000)).toBe(true);
    expect(budgets.size).toBe(1);
  });
});
