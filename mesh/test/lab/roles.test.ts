import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
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

  it("leave no relay that an admin forbids, until it allows it again", { timeout: 120_000 }, async () => {
    await using lab = await startLab(homes("ha", "hb"));
    const [a, b] = membersOf(lab, "ha", "hb");
    b.join(await a.found(), "--relay");
    await until(() => b.canReach("10.9.0.1"));
    const relays = async (): Promise<boolean> =>
      JSON.parse(await b.ask("status", "--json")).relaying !== undefined;
    await until(relays);
    expect(await a.ask("set", "hb", "--no-relay")).toMatch(/may not relay for others/);
    await until(async () => !(await relays()));
    expect(await b.ask("status")).toMatch(/! this host relays for nobody, since an admin does not let it/);
    expect(await a.ask("members")).toMatch(/relays.*\n.*\n.*hb.*never/);
    await a.ask("set", "hb", "--relay");
    await until(relays);
  });

  it("leave no peers but those that a rule allows", { timeout: 180_000 }, async () => {
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
    expect(performance.now() - allowedAt).toBeLessThan(atOurPace(EFFECT_MS));
    expect(await b.canReach("10.9.0.3")).toBe(true);
    expect(await b.canReach("10.9.0.4")).toBe(false);
    expect(b.hosts()).toMatch(/hc\.office\.internal/);
    expect(b.hosts()).not.toMatch(/hd\.office\.internal/);

    // Who is nobody's peer hears of what changes all the same, and a new rule makes peers of the two.
    await a.ask("set", "hd", "--groups", "web");
    const setAt = performance.now();
    await Promise.all([becomes(d, names, "hc"), becomes(c, names, "hb", "hd")]);
    expect(performance.now() - setAt).toBeLessThan(atOurPace(EFFECT_MS));
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
    await until(async () => (await c.names()).join() === "ha,hb,hc", atOurPace(EFFECT_MS));
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

  const SUBNET = "192.168.7.0/24";

  /** Which members WireGuard has the subnet as an allowed IP of. */
  const carriersAt = async (one: LabMember, names: ReadonlyMap<string, string>): Promise<string[]> => {
    const shown = await one.host.run(["wg", "show", one.host.interface, "allowed-ips"]);
    return shown.split("\n").flatMap((line) => {
      const [key = "", ips = ""] = line.split("\t");
      return ips.split(" ").includes(SUBNET) ? [names.get(key) ?? key] : [];
    });
  };
  const routesAt = async (one: LabMember): Promise<string> => await one.host.run(["ip", "route", "show"]);

  it("let a member carry the subnet behind it, for those that may reach it", {
    timeout: 180_000,
  }, async () => {
    const description = homes("ha", "hb", "hr");
    await using lab = await startLab({
      ...description,
      nats: { ...description.nats, nhr: { kind: "port-restricted", lan: SUBNET } },
      // Behind the same box, and no member.
      hosts: { ...description.hosts, hx: { behind: "nhr" } },
    });
    const [a, b, r] = membersOf(lab, "ha", "hb", "hr");
    const x = lab.host("hx");
    await makeNetwork([a, b, r]);
    const names = await namesIn(a);
    await r.host.namespace.set({ sysctls: [["net/ipv4/ip_forward", 0]] });
    await x.run(["ip", "route", "add", "10.9.0.0/24", "via", r.host.address()]);

    expect(await a.ask("set", "hr", "--routes", SUBNET)).toBe(`hr is in no group, and carries ${SUBNET}.\n`);
    await until(async () => (await carriersAt(b, names)).join() === "hr", atOurPace(EFFECT_MS));
    await until(async () => (await r.network()).troubles.length > 0);
    expect((await r.network()).troubles).toEqual([
      expect.stringMatching(/passes on no packets of IPv4: sysctl -w net\.ipv4\.ip_forward=1/),
    ]);
    await r.host.namespace.set({ sysctls: [["net/ipv4/ip_forward", 1]] });
    expect((await r.network()).troubles).toEqual([]);
    await until(() => b.host.canPing(x.address()));
    // Also by an interface that somebody else has made, which is left as it was found.
    await until(() => a.host.canPing(x.address()));
    a.kill();
    await a.wrote(/\(ended with/);
    await a.up();
    await until(async () => (await carriersAt(a, names)).join() === "hr");
    expect((await routesAt(a)).split(SUBNET)).toHaveLength(2);

    // Who is only reached by the carrier does not reach what is behind it, nor hear from there.
    await a.ask("set", "hr", "--groups", "router");
    await a.ask("set", "hb", "--groups", "web");
    await a.ask("allow", "router -> web");
    await until(async () => (await carriersAt(b, names)).length === 0);
    expect(await routesAt(b)).not.toContain(SUBNET);
    await until(() => b.canReach("10.9.0.3"));
    expect(await b.canReach(x.address())).toBe(false);
    await a.ask("allow", "web -> router");
    await until(() => b.host.canPing(x.address()));
    // What somebody removes comes back.
    await b.host.run(["ip", "route", "del", SUBNET, "dev", b.host.interface]);
    await until(async () => (await routesAt(b)).includes(SUBNET));

    await a.ask("set", "ha", "--groups", "web");
    await until(async () => (await routesAt(a)).includes(SUBNET));
    await a.stop();
    expect(await routesAt(a)).not.toContain(SUBNET);
  });

  it("have one carrier of a subnet everywhere, and none where it is connected", {
    timeout: 180_000,
  }, async () => {
    const description = homes("ha", "hb", "hr", "hs");
    const behind = { kind: "port-restricted", lan: SUBNET } as const;
    await using lab = await startLab({
      ...description,
      nats: { ...description.nats, nhr: behind, nhs: behind },
    });
    const [a, b, r, s] = membersOf(lab, "ha", "hb", "hr", "hs");
    await makeNetwork([a, b, r, s]);
    const names = await namesIn(a);
    await a.ask("promote", "hb");
    await until(async () => (await b.network()).isAdmin);
    // Two admins in two halves of the network give it to one member each.
    await a.host.down("eth0");
    await a.ask("set", "hr", "--routes", SUBNET);
    await b.ask("set", "hs", "--routes", SUBNET);
    await a.host.up("eth0");
    const loserAt = async (one: LabMember): Promise<string> => {
      const [, loser = ""] = /(h.) does not carry/.exec((await one.network()).troubles.join()) ?? [];
      return loser;
    };
    for (const one of [a, b]) await until(async () => (await loserAt(one)) !== "", 30_000);
    const winner = (await loserAt(a)) === "hr" ? "hs" : "hr";
    for (const one of [a, b]) await until(async () => (await carriersAt(one, names)).join() === winner);
    // Both hosts behind such a box are in the subnet themselves.
    for (const one of [r, s]) {
      await until(async () => (await loserAt(one)) !== "", 30_000);
      expect(await carriersAt(one, names)).toEqual([]);
    }
    const other = winner === "hr" ? s : r;
    expect((await other.network()).troubles.join()).toMatch(
      new RegExp(`is not reached through ${winner} from here: this host is in ${SUBNET} itself, by eth0`),
    );
    // The other one follows when the carrier is removed.
    await b.ask("remove", winner);
    for (const one of [a, b])
      await until(async () => (await carriersAt(one, names)).join() === (winner === "hr" ? "hs" : "hr"));
  });
});
