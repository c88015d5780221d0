import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type RememberedPeer, StateFile } from "../src/state-file.js";
import { temporaryFolder } from "./support/temporary-folder.js";

const peer: RememberedPeer = {
  boot: 7n,
  counter: 3,
  nat: "symmetric",
  isRelay: true,
  candidates: [
    {
      kind: "reflexive",
      endpoint: { address: "2001:db8::1", family: 6, port: 51820 },
      seenAt: 1_700_000_000_000,
    },
  ],
};

const open = async (folder: string, wallNow: number): Promise<StateFile> =>
  await StateFile.open(folder, "wg0", wallNow, () => {});

describe("the state file", () => {
  it("keeps what is known, for its owner alone, and leaves nothing beside it", async () => {
    const folder = join(temporaryFolder(), "deeper", "still");
    const state = await open(folder, 1000);
    state.peers.set("key", peer);
    await Promise.all([state.save(), state.save(), state.save()]);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(statSync(join(folder, "wg0.json")).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["wg0.json"]);
    expect((await open(folder, 1000)).peers).toEqual(new Map([["key", peer]]));
  });

  it("takes a file of before, which says less of each peer", async () => {
    const folder = temporaryFolder();
    const text = { version: 1, boot: "5", peers: { key: { boot: "1", counter: 2, candidates: [] } } };
    writeFileSync(join(folder, "wg0.json"), JSON.stringify(text));
    expect((await open(folder, 1000)).peers).toEqual(
      new Map([["key", { boot: 1n, counter: 2, nat: "unknown", isRelay: false, candidates: [] }]]),
    );
  });

  it("counts starts upwards, by the clock where that is ahead", async () => {
    const folder = temporaryFolder();
    const boots: bigint[] = [];
    for (const wallNow of [5000, 9000, 100, Number.NaN, -5, 9001])
      boots.push((await open(folder, Number.isNaN(wallNow) ? 0 : wallNow)).boot);
    expect(boots).toEqual([5000n, 9000n, 9001n, 9002n, 9003n, 9004n]);
  });

  it("passes a number that a peer has seen, and none by which a peer could use the numbers up", async () => {
    const folder = temporaryFolder();
    const state = await open(folder, 1000);
    await state.passBoot(10n);
    expect(state.boot).toBe(1000n);
    await state.passBoot(5000n);
    expect(state.boot).toBe(5001n);
    for (const seen of [(1n << 53n) + 1n, (1n << 64n) - 2n, (1n << 64n) - 1n]) await state.passBoot(seen);
    expect(state.boot).toBe(5001n);
    expect((await open(folder, 1000)).boot).toBe(5002n);
  });

  it("sets aside a file that is damaged, says why, and begins anew", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "wg0.json");
    const text = JSON.stringify({
      version: 1,
      boot: "5",
      peers: { key: { boot: "1", counter: 1, candidates: [] } },
    });
    const broken = [
      "",
      "{",
      "null",
      "[]",
      text.slice(0, -1),
      text.replace('"version":1', '"version":2'),
      text.replace('"boot":"5"', '"boot":"-5"'),
      text.replace('"boot":"5"', `"boot":"${1n << 64n}"`),
      text.replace('"counter":1', '"counter":1.5'),
      text.replace('"candidates":[]', '"candidates":[{"kind":"host","endpoint":"nowhere","seenAt":1}]'),
      text.replace('"candidates":[]', '"candidates":{}'),
      text.replace('"peers"', '"other":1,"peers"'),
    ];
    for (const damaged of broken) {
      writeFileSync(path, damaged);
      const warnings: string[] = [];
      const state = await StateFile.open(folder, "wg0", 1000, (message) => warnings.push(message));
      expect([state.boot, state.peers.size], damaged).toEqual([1000n, 0]);
      expect(warnings).toEqual([
        expect.stringMatching(/wg0\.json is damaged \(.+\), and was moved to .+wg0\.json\.damaged: /),
      ]);
      // It is left as it was, for whoever wants to look.
      expect(readFileSync(`${path}.damaged`, "utf8")).toBe(damaged);
    }
    writeFileSync(path, text);
    expect((await open(folder, 1)).boot).toBe(6n);
  });

  it("reads or sets aside whatever is in the file", async () => {
    const folder = temporaryFolder();
    const path = join(folder, "wg0.json");
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.json(),
          fc.string(),
          fc.object().map((value) => JSON.stringify(value)),
        ),
        async (text) => {
          writeFileSync(path, text);
          expect((await open(folder, 1)).boot).toBeGreaterThan(0n);
        },
      ),
      { numRuns: 200 },
    );
  });

  it("names a folder that is none, and a file that is a folder", async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, "file"), "");
    await expect(open(join(folder, "file"), 1)).rejects.toMatchObject({ code: "FILE" });
    mkdirSync(join(folder, "wg0.json"));
    await expect(open(folder, 1)).rejects.toMatchObject({
      code: "FILE",
      message: expect.stringContaining("wg0.json"),
    });
  });
});
