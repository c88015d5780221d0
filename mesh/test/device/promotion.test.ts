import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { withPromotion } from "../../src/device/promotion.js";
import { temporaryFolder } from "../support/temporary-folder.js";

it("holds while the work is done, also when it fails, and not where it cannot be set", async () => {
  const folder = temporaryFolder();
  mkdirSync(join(folder, "wg0"));
  const path = join(folder, "wg0/promote_secondaries");
  const shown = (): string => readFileSync(path, "utf8").trim();
  for (const before of ["0", "1"]) {
    writeFileSync(path, `${before}\n`);
    expect(await withPromotion("wg0", async () => shown(), folder)).toBe("1");
    expect(shown()).toBe(before);
  }
  writeFileSync(path, "0\n");
  const failing = withPromotion("wg0", () => Promise.reject(new Error("it failed")), folder);
  await expect(failing).rejects.toThrow("it failed");
  expect(shown()).toBe("0");
  expect(await withPromotion("wg1", async () => "done", folder)).toBe("done");
});
