import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { publicKeyOf } from "../../src/wireguard-key.js";
import { homes, LabMember, makeNetwork, until } from "../support/lab-member.js";
import { withLab } from "../support/needs.js";

/** How long it may take until all reach each other again, ms. */
const AGAIN_MS = 10_000;

withLab("a new key in the lab", (startLab) => {
  const labOf = async (): Promise<[AsyncDisposable, LabMember, LabMember, LabMember]> => {
    const names = ["ha", "hb", "hc"];
    const lab = await startLab(homes(...names));
    const [a, b, c] = names.map((name) => new LabMember(lab, name)) as [LabMember, LabMember, LabMember];
    await makeNetwork([a, b, c]);
    await until(() => b.canReach("10.9.0.3"));
    return [lab, a, b, c];
  };
  const keyOf = async (one: LabMember): Promise<string> =>
    (await one.host.run(["wg", "show", one.host.interface, "public-key"])).trim();
  const keptBy = (one: LabMember): string => {
    const text = readFileSync(join(one.stateFolder, `${one.host.interface}.key`), "utf8");
    return Buffer.from(publicKeyOf(new Uint8Array(Buffer.from(text, "base64")))).toString("base64");
  };
  const reachesAll = async (one: LabMember, ...last: readonly number[]): Promise<void> => {
    for (const number of last) await until(() => one.canReach(`10.9.0.${number}`), AGAIN_MS);
  };

  it("is used by all within seconds, and after a restart", { timeout: 90_000 }, async () => {
    const [lab, a, b, c] = await labOf();
    await using _ = lab;
    const before = (await a.network()).members.find(({ name }) => name === "hb");
    const old = await keyOf(b);
    expect(await b.ask("rotate-key")).toMatch(/^hb has a new key: /);
    const key = await keyOf(b);
    expect([key === old, keptBy(b)]).toEqual([false, key]);
    expect(statSync(join(b.stateFolder, `${b.host.interface}.key`)).mode & 0o777).toBe(0o600);
    await reachesAll(b, 1, 3);
    await reachesAll(a, 2);
    await reachesAll(c, 2);
    for (const one of [a, c]) {
      expect(await one.peers()).not.toContain(old);
      const after = (await one.network()).members.find(({ name }) => name === "hb");
      expect(after).toEqual({ ...before, publicKey: key, isSelf: false });
    }
    await b.stop();
    await b.up();
    expect(await keyOf(b)).toBe(key);
    await reachesAll(b, 1, 3);
    // The founder's key is that of an interface that somebody else made.
    const refused = await a.run(["rotate-key"]);
    expect([refused.code, refused.stderr]).toEqual([
      2,
      expect.stringMatching(/was made by somebody else than sidewire-mesh join/),
    ]);
  });

  it("is what a start goes on with that was killed before the answer", { timeout: 90_000 }, async () => {
    const [lab, a, b, c] = await labOf();
    await using _ = lab;
    const old = await keyOf(b);
    const keyFile = join(b.stateFolder, `${b.host.interface}.key`);
    const oldText = readFileSync(keyFile, "utf8");
    const rosterFile = join(b.stateFolder, `${b.host.interface}.roster`);
    const oldRoster = readFileSync(rosterFile, "utf8");
    await b.ask("rotate-key");
    const key = await keyOf(b);
    await until(async () => (await a.peers()).includes(key));
    b.kill();
    // As a crash leaves it that came between the request and its answer.
    writeFileSync(`${keyFile}.next`, readFileSync(keyFile, "utf8"));
    writeFileSync(keyFile, oldText);
    writeFileSync(rosterFile, oldRoster);
    await b.up();
    await until(async () => (await keyOf(b)) === key);
    expect([key === old, keptBy(b)]).toEqual([false, key]);
    await reachesAll(b, 1, 3);
    await reachesAll(c, 2);
  });

  it("is signed by an admin for itself, and the old one does not come back", {
    timeout: 90_000,
  }, async () => {
    const [lab, a, b, c] = await labOf();
    await using _ = lab;
    await a.ask("promote", "hb");
    await until(async () => (await b.network()).isAdmin);
    const old = await keyOf(b);
    await b.ask("rotate-key");
    await reachesAll(b, 1, 3);
    expect((await b.network()).isAdmin).toBe(true);
    for (const one of [a, c]) await until(async () => !(await one.peers()).includes(old));
    // Nobody who could give c a key is there: its old one stays in use, and the daemon goes on.
    await a.stop();
    await b.stop();
    const key = await keyOf(c);
    const [late] = await Promise.all([
      c.run(["rotate-key"]),
      until(async () => readFileSync(join(c.stateFolder, `${c.host.interface}.key.next`)).length > 0),
    ]);
    expect([late.code, late.stderr]).toEqual([
      1,
      expect.stringMatching(/no admin has answered yet \(h., h.\)\. The old key stays in use/),
    ]);
    expect(await keyOf(c)).toBe(key);
    await b.up();
    expect(await c.ask("rotate-key")).toMatch(/^hc has a new key: /);
    await reachesAll(b, 3);
  });
});
