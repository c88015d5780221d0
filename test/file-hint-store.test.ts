import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type BrokerHint, MAX_KEPT } from "../src/brokers/hints.js";
import { FileHintStore } from "../src/node/file-hint-store.js";

let folder = "";
let path = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "sidewire-hints-"));
  path = join(folder, "hints.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function hintTo(port: number): BrokerHint {
  return { af: 2, host: "a.example", port };
}

function addressOf(number: number): string {
  return `02${number.toString(16).padStart(64, "0")}`;
}

async function permissionsOf(file: string): Promise<number> {
  return (await stat(file)).mode & 0o777;
}

describe("FileHintStore", () => {
  it("has what was set, in the same store and in the next one on the file", async () => {
    const store = new FileHintStore(path);
    await store.set(addressOf(1), [hintTo(1), { af: 10, host: "2001:db8::1", port: 2 }]);
    await store.set(addressOf(2), [hintTo(3)]);
    await store.set(addressOf(2), [hintTo(4)]);
    for (const reader of [store, new FileHintStore(path)]) {
      expect(await reader.get(addressOf(1))).toEqual([hintTo(1), { af: 10, host: "2001:db8::1", port: 2 }]);
      expect(await reader.get(addressOf(2))).toEqual([hintTo(4)]);
      expect(await reader.get(addressOf(3))).toBeUndefined();
    }
  });

  it("touches no file before the first use, and makes none by reading", async () => {
    const store = new FileHintStore(path);
    expect(await store.get(addressOf(1))).toBeUndefined();
    expect(await readdir(folder)).toEqual([]);
  });

  it("keeps what other runs left, when it sets something new", async () => {
    await new FileHintStore(path).set(addressOf(1), [hintTo(1)]);
    await new FileHintStore(path).set(addressOf(2), [hintTo(2)]);
    expect(await new FileHintStore(path).get(addressOf(1))).toEqual([hintTo(1)]);
  });

  it("has written the hints when set resolves", async () => {
    await new FileHintStore(path).set(addressOf(1), [hintTo(1)]);
    expect(JSON.parse(await readFile(path, "utf8"))).toEqual({ [addressOf(1)]: [hintTo(1)] });
  });

  it("reads what can be read of a file in which something is odd", async () => {
    const odd = {
      [addressOf(1)]: [null, hintTo(1)],
      [addressOf(2)]: "nonsense",
      [addressOf(3)]: [hintTo(3)],
    };
    await writeFile(path, JSON.stringify(odd));
    const store = new FileHintStore(path);
    expect(await store.get(addressOf(1))).toEqual([hintTo(1)]);
    expect(await store.get(addressOf(2))).toBeUndefined();
    expect(await store.get(addressOf(3))).toEqual([hintTo(3)]);
  });

  it("makes the folder", async () => {
    const deep = join(folder, "x", "y", "hints.json");
    await new FileHintStore(deep).set(addressOf(1), [hintTo(1)]);
    expect(await new FileHintStore(deep).get(addressOf(1))).toEqual([hintTo(1)]);
  });

  it.skipIf(!existsSync("/proc"))("gives up where no folder can be made", async () => {
    await expect(new FileHintStore("/proc/x/y/hints.json").set(addressOf(1), [hintTo(1)])).rejects.toThrow();
  });

  it("makes the folder once for several stores", async () => {
    const stores = Array.from(
      { length: 8 },
      (_, i) => new FileHintStore(join(folder, "x", "y", `${i}.json`)),
    );
    await Promise.all(stores.map((store) => store.set(addressOf(1), [hintTo(1)])));
    expect(await readdir(join(folder, "x", "y"))).toHaveLength(8);
  });

  it("takes many changes at once, and loses none", async () => {
    const store = new FileHintStore(path);
    await Promise.all(Array.from({ length: 300 }, (_, i) => store.set(addressOf(i), [hintTo(i + 1)])));
    const next = new FileHintStore(path);
    for (let i = 0; i < 300; i++) expect(await next.get(addressOf(i))).toEqual([hintTo(i + 1)]);
    expect(await readdir(folder)).toEqual(["hints.json"]);
  });

  it("never shows a reader half a file", async () => {
    const store = new FileHintStore(path);
    await store.set(addressOf(0), [hintTo(1)]);
    let writing = true;
    const writes = (async () => {
      for (let i = 1; i <= 60; i++) await store.set(addressOf(i), [hintTo(i)]);
      writing = false;
    })();
    while (writing) expect(Object.keys(JSON.parse(await readFile(path, "utf8")))).toContain(addressOf(0));
    await writes;
  });

  it("is not spoiled by another store on the same file", async () => {
    const [one, other] = [new FileHintStore(path), new FileHintStore(path)];
    for (let i = 0; i < 20; i++) {
      await Promise.all([one.set(addressOf(1), [hintTo(i + 1)]), other.set(addressOf(2), [hintTo(i + 1)])]);
      expect(Object.keys(JSON.parse(await readFile(path, "utf8"))).length).toBeGreaterThan(0);
    }
    expect(await readdir(folder)).toEqual(["hints.json"]);
  });

  it("keeps the addresses that were set last", async () => {
    const store = new FileHintStore(path);
    await Promise.all(Array.from({ length: MAX_KEPT + 1 }, (_, i) => store.set(addressOf(i), [hintTo(1)])));
    await new FileHintStore(path).set(addressOf(MAX_KEPT + 1), [hintTo(1)]);
    const next = new FileHintStore(path);
    expect(Object.keys(JSON.parse(await readFile(path, "utf8")))).toHaveLength(MAX_KEPT);
    expect(await next.get(addressOf(1))).toBeUndefined();
    expect(await next.get(addressOf(2))).toEqual([hintTo(1)]);
  });
});

describe.skipIf(process.platform === "win32")("the file", () => {
  it("is readable by its owner alone", async () => {
    await new FileHintStore(path).set(addressOf(1), [hintTo(1)]);
    expect(await permissionsOf(path)).toBe(0o600);
  });

  it("becomes so where it was open to others", async () => {
    await writeFile(path, "{}", { mode: 0o644 });
    await new FileHintStore(path).set(addressOf(1), [hintTo(1)]);
    expect(await permissionsOf(path)).toBe(0o600);
  });

  it("is so under any umask", async () => {
    const usual = process.umask(0o777);
    try {
      await new FileHintStore(path).set(addressOf(1), [hintTo(1)]);
    } finally {
      process.umask(usual);
    }
    expect(await permissionsOf(path)).toBe(0o600);
  });
});

describe("a file that cannot be used", () => {
  it.each([
    ["empty", ""],
    ["not JSON", '{"02'],
    ["null", "null"],
    ["a number", "7"],
    ["a text", '"hello"'],
    ["a list", "[1, 2]"],
    ["full of other things", `{"${addressOf(1)}": 7}`],
    ["full of malformed hints", `{"${addressOf(1)}": [{ "af": 2 }]}`],
  ])("counts as empty when it is %s, and is written anew", async (_, text) => {
    await writeFile(path, text);
    expect(await new FileHintStore(path).get(addressOf(1))).toBeUndefined();
    const store = new FileHintStore(path);
    await store.set(addressOf(2), [hintTo(2)]);
    expect(await new FileHintStore(path).get(addressOf(2))).toEqual([hintTo(2)]);
  });

  it("makes set reject, leaves nothing behind, and is tried again by the next set", async () => {
    await mkdir(path);
    const store = new FileHintStore(path);
    expect(await store.get(addressOf(1))).toBeUndefined();
    await expect(store.set(addressOf(1), [hintTo(1)])).rejects.toThrow();
    expect(await readdir(folder)).toEqual(["hints.json"]);
    await rm(path, { recursive: true });
    await store.set(addressOf(2), [hintTo(2)]);
    expect(await new FileHintStore(path).get(addressOf(1))).toEqual([hintTo(1)]);
  });
});
