import { expect, it } from "vitest";
import type { Lab } from "../../lab/index.js";
import { homes, LabMember, makeNetwork, until } from "../support/lab-member.js";
import { withLab } from "../support/needs.js";

/** Until a change of the rules has its effect at every member that is online, ms. */
const EFFECT_MS = 2000;

withLab("roles and rules in the lab", (startLab) => {
  type Four = readonly [LabMember, LabMember, LabMember, LabMember];
  const membersOf = (lab: Lab, ...names: readonly string[]): Four =>
    names.map((name) => new LabMember(lab, name)) as unknown as Four;

  /** What members are called, by their public keys. */
  const namesIn = async (one: LabMember): Promise<ReadonlyMap<string, string>> =>
    new Map((await one.network()).members.map(({ publicKey, name }) => [publicKey, name]));

  /** Waits until WireGuard has these members as peers, and no others. */
  const becomes = async (
    one: LabMember,
    names: ReadonlyMap<string, string>,
    ...wanted: readonly string[]
  ): Promise<number> =>
    await until(async () => {
      const peers = await one.peers();
      return (
        peers
          .map((key) => names.get(key))
          .toSorted()
          .join() === wanted.join()
      );
    });

  it("leave no peers but those that a rule allows", { timeout: 120_000 }, async () => {
    await using lab = await startLab(homes("ha", "hb", "hc", "hd"));
    const all = membersOf(lab, "ha", "hb", "hc", "hd");
    const [a, b, c, d] = all;
    await makeNetwork(all);
    await a.ask("set", "hb", "--groups", "web");
    await a.ask("set", "hc", "--groups", "db,old");
    await until(() => b.canReach("10.9.0.3"));
    await until(() => b.canReach("10.9.0.4"));
    const names = await namesIn(a);

    expect(await a.ask("allow", "web -> db")).toMatch(/is allowed now\. It is the first rule/);
    const allowedAt = performance.now();
    await Promise.all([
      becomes(a, names),
      becomes(b, names, "hc"),
      becomes(c, names, "hb"),
      becomes(d, names),
    ]);
    expect(performance.now() - allowedAt).toBeLessThan(EFFECT_MS);
    expect(await b.canReach("10.9.0.3")).toBe(true);
    expect(await b.canReach("10.9.0.4")).toBe(false);
    expect(b.hosts()).toMatch(/hc\.office\.internal/);
    expect(b.hosts()).not.toMatch(/hd\.office\.internal/);

    // Who is nobody's peer hears of what changes all the same, and a new rule makes peers of the two.
    await a.ask("set", "hd", "--groups", "web");
    const setAt = performance.now();
    await Promise.all([becomes(d, names, "hc"), becomes(c, names, "hb", "hd")]);
    expect(performance.now() - setAt).toBeLessThan(EFFECT_MS);
    await until(() => d.canReach("10.9.0.3"));
    for (const one of all) expect((await one.network()).rules).toEqual(["web -> db"]);

    // A member that was away learns of it before it speaks.
    await b.stop();
    await a.ask("allow", "admin -> *");
    await a.ask("set", "ha", "--groups", "admin");
    await a.ask("disallow", "web -> db");
    await b.up();
    const seen = new Set<string>();
    await until(async () => {
      for (const key of await b.peers()) seen.add(names.get(key) ?? key);
      return (await b.network()).rules?.join() === "admin -> *" && seen.size > 0;
    });
    await until(() => b.canReach("10.9.0.1"));
    expect([...seen]).toEqual(["ha"]);

    // So does one that a removed member was no peer of.
    await a.ask("remove", "hd");
    await until(async () => (await c.names()).join() === "ha,hb,hc", EFFECT_MS);
  });

  it("say what is wrong", { timeout: 60_000 }, async () => {
    await using lab = await startLab(homes("ha", "hb"));
    const [a, b] = membersOf(lab, "ha", "hb");
    await makeNetwork([a, b]);
    await a.ask("set", "hb", "--groups", "web", "--routes", "192.168.7.0/24,fd12:3456::/48");
    const cases: readonly (readonly [LabMember, readonly string[], number, RegExp])[] = [
      [b, ["allow", "web -> db"], 1, /no admin of office: do it on ha/],
      [a, ["set", "nobody", "--groups", "web"], 2, /no member of office has the name or key nobody/],
      [a, ["set", "hb"], 2, /set needs --groups/],
      [a, ["set", "hb", "--groups", "No Name"], 2, /the group No Name/],
      [a, ["set", "hb", "--groups", "a,b,c,d,e,f,g,h,i"], 2, /8 groups at most/],
      [a, ["allow", "web"], 2, /two groups are expected/],
      [a, ["allow", "web -> db -> web"], 2, /two groups are expected/],
      [a, ["disallow", "web -> db"], 2, /there is no rule web -> db/],
      [
        a,
        ["set", "hb", "--routes", "192.168.7.1/24"],
        2,
        /is no subnet, but an address in 192\.168\.7\.0\/24/,
      ],
      [a, ["set", "hb", "--routes", "office"], 2, /a subnet is expected/],
      [a, ["set", "hb", "--routes", "0.0.0.0/0"], 2, /no member is a way out to the internet/],
      [a, ["set", "hb", "--routes", "10.9.0.128/25"], 2, /covers addresses of the network itself/],
      [a, ["set", "hb", "--routes", "224.0.0.0/8"], 2, /not those of another network/],
      [a, ["set", "hb", "--routes", "10.1.0.0/16,10.1.2.0/24"], 2, /overlap: the wider one is enough/],
      [a, ["set", "ha", "--routes", "192.168.7.0/24"], 2, /is carried by hb: take it away there first/],
      [a, ["invite", "--uses", "2", "--routes", "10.1.0.0/16"], 2, /one member alone carries a subnet/],
    ];
    const failures: string[] = [];
    for (const [side, args, code, message] of cases) {
      const ended = await side.run(args);
      if (ended.code !== code || !message.test(ended.stderr) || ended.stdout !== "")
        failures.push(`${args.join(" ")}: ${ended.code} ${ended.stdout}${ended.stderr}`);
    }
    expect(failures).toEqual([]);
    expect((await a.network()).members.map(({ groups, routes }) => [groups, routes])).toEqual([
      [[], []],
      [["web"], ["192.168.7.0/24", "fd12:3456::/48"]],
    ]);
    expect(await a.ask("allow", "web -> nowhere")).toMatch(/Nobody is in the group nowhere yet/);
    expect(await a.ask("members")).toMatch(/rules:\n {2}web -> nowhere/);
    await a.ask("disallow", "web -> nowhere");
    expect(await a.ask("members")).toMatch(/nobody reaches anybody/);
  });
});
