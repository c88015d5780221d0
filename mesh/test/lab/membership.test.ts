import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import type { Lab } from "../../lab/index.js";
import { snapshot } from "../support/device.js";
import { homes, LabMember, makeNetwork, until } from "../support/lab-member.js";
import { withLab } from "../support/needs.js";

/** What each done-line of membership allows, ms. */
const JOIN_MS = 3000;
const REMOVAL_MS = 2000;

withLab("membership in the lab", (startLab) => {
  const labOf = async (...names: readonly string[]): Promise<Lab> => await startLab(homes(...names));

  it("invites, joins, reaches, and goes on without the token", { timeout: 60_000 }, async () => {
    await using lab = await labOf("ha", "hb", "hc");
    const [a, b, c] = ["ha", "hb", "hc"].map((name) => new LabMember(lab, name)) as [
      LabMember,
      LabMember,
      LabMember,
    ];
    const token = await a.found("--uses", "2");
    b.join(token);
    const tookMs = await until(() => b.canReach("10.9.0.1"));
    expect(tookMs).toBeLessThan(atOurPace(JOIN_MS));
    c.join(token);
    await until(() => c.canReach("10.9.0.2"));
    expect(await b.names()).toEqual(["ha", "hb", "hc"]);
    for (const file of ["key", "roster"])
      expect(statSync(join(b.stateFolder, `${b.host.interface}.${file}`)).mode & 0o777).toBe(0o600);
    // The token is used up, and says so.
    const again = await c.run([
      ...["join", token, "--interface", "new0", "--name", "hd", "--state", join(lab.folder, "new")],
    ]);
    expect([again.code, again.stderr]).toEqual([1, expect.stringMatching(/this token has been used up/)]);
    // IPv6 addresses follow from the keys.
    const { members } = await a.network();
    const six = members.find(({ name }) => name === "hb")?.addresses[1] ?? "";
    expect(six).toMatch(/^fd/);
    await until(() => c.canReach(six));

    await b.stop();
    await b.up();
    await until(() => b.canReach("10.9.0.3"));
    expect(await b.names()).toEqual(["ha", "hb", "hc"]);

    // What was there before the network is there after it.
    await a.ask("rename", "hb", "web");
    await until(async () => (await c.names()).includes("web"), atOurPace(REMOVAL_MS));
    a.kill();
    await a.up();
    await a.stop();
    expect(await a.peers()).toEqual([]);
    expect(await snapshot(a.host)).not.toContain(" fd");
  });

  it("removes a member everywhere, also where nobody was at home", { timeout: 60_000 }, async () => {
    await using lab = await labOf("ha", "hb", "hc", "hd");
    const [a, b, c, d] = ["ha", "hb", "hc", "hd"].map((name) => new LabMember(lab, name)) as [
      LabMember,
      LabMember,
      LabMember,
      LabMember,
    ];
    await makeNetwork([a, b, c, d]);
    await until(() => c.canReach("10.9.0.4"));
    await until(async () => (await b.peers()).length === 3);
    const removed = (await a.network()).members.find(({ name }) => name === "hd")?.publicKey ?? "";
    await b.stop();
    const startedAt = performance.now();
    await a.ask("remove", "hd");
    await until(async () => !(await c.peers()).includes(removed), atOurPace(REMOVAL_MS));
    expect(performance.now() - startedAt).toBeLessThan(atOurPace(REMOVAL_MS) + 1000);
    expect(await a.peers()).not.toContain(removed);
    // It was away. It never has the removed one as a peer again, whatever that one still does.
    b.start([
      ...["up", b.host.interface, "--brokers", lab.brokersFile, "--state", b.stateFolder],
      ...["--stun", lab.stun.join(",")],
    ]);
    const seen = new Set<string>();
    await until(async () => {
      for (const peer of await b.peers()) seen.add(peer);
      return seen.size >= 2 && (await b.names()).length === 3;
    });
    expect([...seen]).not.toContain(removed);
    expect(await c.names()).toEqual(["ha", "hb", "hc"]);
  });

  it("lets 20 in at once, each with an address of its own", { timeout: 90_000 }, async () => {
    await using lab = await startLab({ hosts: { ha: {}, hb: {} }, brokers: 1, stun: true });
    const a = new LabMember(lab, "ha");
    const token = await a.found("--uses", "20");
    const program = join(import.meta.dirname, "../support/join-many.ts");
    // In one process, since what is tested is the admin: 20 daemons would need 20 times the memory.
    const tsx = join(import.meta.dirname, "../../../node_modules/tsx/dist/cli.mjs");
    await lab.host("hb").run([process.execPath, tsx, program, token, "20"]);
    const { members } = await a.network();
    expect(members).toHaveLength(21);
    const addresses = members.flatMap((member) => member.addresses);
    expect(addresses).toHaveLength(42);
    expect(new Set(addresses).size).toBe(42);
    expect(new Set(members.map(({ name }) => name)).size).toBe(21);
    await until(async () => (await a.peers()).length === 20);
  });

  it("brings two admins together who acted in two halves of the network", { timeout: 60_000 }, async () => {
    await using lab = await labOf("ha", "hb", "hc", "hd");
    const [a, b, c, d] = ["ha", "hb", "hc", "hd"].map((name) => new LabMember(lab, name)) as [
      LabMember,
      LabMember,
      LabMember,
      LabMember,
    ];
    await makeNetwork([a, b, c, d]);
    await a.ask("promote", "hb");
    await until(async () => (await b.network()).isAdmin);
    await until(async () => (await b.network()).members.length === 4);
    // Two halves: ha alone, and the others.
    await a.host.down("eth0");
    await a.ask("remove", "hd");
    await b.ask("remove", "hc");
    await b.ask("rename", "ha", "first");
    await a.host.up("eth0");
    for (const one of [a, b]) await until(async () => (await one.names()).join() === "first,hb", 30_000);
    expect((await a.network()).troubles).toEqual([]);
  });

  it("says what is wrong", { timeout: 60_000 }, async () => {
    await using lab = await labOf("ha", "hb");
    const [a, b] = ["ha", "hb"].map((name) => new LabMember(lab, name)) as [LabMember, LabMember];
    const token = await a.found("--approve");
    b.join(token);
    await until(async () => (await a.network()).waiting.length === 1);
    expect(await a.names()).toEqual(["ha"]);
    await a.ask("approve", "hb");
    await until(() => b.canReach("10.9.0.1"));
    const cases: readonly (readonly [LabMember, readonly string[], number, RegExp])[] = [
      [b, ["remove", "ha"], 1, /no admin of office: do it on ha/],
      [a, ["remove", "nobody"], 2, /no member of office has the name or key nobody/],
      [a, ["remove", "ha"], 2, /ha is this host/],
      [a, ["demote", "ha"], 2, /last admin/],
      [a, ["rename", "hb", "ha"], 2, /is called ha already/],
      [a, ["rename", "hb", "No Name"], 2, /1 to 63 of a-z/],
      [a, ["invite", "--expires", "soon"], 2, /--expires soon/],
      [a, ["invite", "--network", "other"], 2, /in the network office already/],
      [b, ["join", token.slice(0, -1), "--interface", "new0"], 2, /a letter of it is wrong or missing/],
      [
        b,
        ["join", token, "--interface", b.host.interface, "--state", b.stateFolder],
        2,
        /in a network already/,
      ],
    ];
    const failures: string[] = [];
    for (const [side, args, code, message] of cases) {
      const ended = await side.run(args);
      if (ended.code !== code || !message.test(ended.stderr) || ended.stdout !== "")
        failures.push(`${args.join(" ")}: ${ended.code} ${ended.stdout}${ended.stderr}`);
    }
    expect(failures).toEqual([]);
    // A roster that is damaged is set aside, and the daemon comes up.
    await b.stop();
    const file = join(b.stateFolder, `${b.host.interface}.roster`);
    writeFileSync(file, readFileSync(file, "utf8").slice(0, -20));
    await b.up();
    await b.wrote(/is damaged .* moved to/);
  });
});
