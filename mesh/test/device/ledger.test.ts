import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Changes, noChanges } from "../../src/device/changes.js";
import { Ledger } from "../../src/device/ledger.js";
import { MeshError } from "../../src/errors.js";

const CHANGES: Changes = {
  ...noChanges("boot 1 2"),
  hasTable: true,
  peers: {
    [`${"A".repeat(43)}=`]: { endpoint: null, keepaliveS: 25 },
  },
};

describe("the ledger", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "sidewire-ledger-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("keeps what is written, readable by its owner alone, until it is removed", async () => {
    const state = join(folder, "a", "b");
    const ledger = new Ledger(state, "wg0");
    expect(await ledger.load()).toBeUndefined();
    await ledger.remove();
    await ledger.save(CHANGES);
    expect(await new Ledger(state, "wg0").load()).toEqual(CHANGES);
    expect(await new Ledger(state, "wg1").load()).toBeUndefined();
    expect(statSync(state).mode & 0o777).toBe(0o700);
    expect(statSync(ledger.path).mode & 0o777).toBe(0o600);
    await ledger.save(noChanges(""));
    expect(await ledger.load()).toEqual(noChanges(""));
    await ledger.remove();
    expect(readdirSync(state)).toEqual([]);
  });

  it("in a folder that cannot be made is an error, not a wait without end", async () => {
    const ledger = new Ledger("/proc/sidewire-mesh/state", "wg0");
    await expect(ledger.save(CHANGES)).rejects.toMatchObject({ code: "FILE" });
  });

  it("that is damaged is named, with the way out", async () => {
    const ledger = new Ledger(folder, "wg0");
    const whole = JSON.stringify(CHANGES);
    const damaged = fc.oneof(
      fc.nat(whole.length - 1).map((length) => whole.slice(0, length)),
      fc.jsonValue().map((json) => JSON.stringify(json)),
      fc.constantFrom(
        ...["[]", "null", '{"version":2}', whole.replace("25", "-1"), whole.replace("null", "7")],
      ),
    );
    await fc.assert(
      fc.asyncProperty(damaged, async (text) => {
        writeFileSync(ledger.path, text);
        const error: unknown = await ledger.load().catch((reason: unknown) => reason);
        expect(error).toBeInstanceOf(MeshError);
        expect(error).toMatchObject({
          code: "FILE",
          message: expect.stringMatching(/wg0\.device is damaged \(.+\).*Move it away/s),
        });
      }),
      { numRuns: 200 },
    );
    writeFileSync(ledger.path, "x".repeat((16 << 20) + 1));
    await expect(ledger.load()).rejects.toMatchObject({ code: "FILE" });
  });

  it("that cannot be written says so, and leaves the old one", async () => {
    const ledger = new Ledger(folder, "wg0");
    await ledger.save(CHANGES);
    const inTheWay = new Ledger(ledger.path, "wg0");
    await expect(inTheWay.save(CHANGES)).rejects.toMatchObject({ code: "FILE" });
    chmodSync(folder, 0o700);
    expect(await ledger.load()).toEqual(CHANGES);
    expect(readdirSync(folder)).toEqual(["wg0.device"]);
  });
});
