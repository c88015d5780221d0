import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import type { Lab } from "../../lab/index.js";
import { HOSTS, homes, LabMember, until } from "../support/lab-member.js";
import { withLab } from "../support/needs.js";

/** From `join` to the first answer of a host that is called by its name, ms. */
const JOIN_MS = 3000;

withLab("names of members in the lab", (startLab) => {
  const labOf = async (...names: readonly string[]): Promise<Lab> => await startLab(homes(...names));

  /** A name that is not there yet would be asked of DNS, which nobody answers here. */
  const reaches = async (one: LabMember, name: string): Promise<boolean> =>
    one.hosts().includes(` ${name}`) && (await one.canReachByName(name));

  const membersOf = (lab: Lab): [LabMember, LabMember] => [
    new LabMember(lab, "ha"),
    new LabMember(lab, "hb"),
  ];

  it("lead to them after invite and join, and are gone after the end", { timeout: 60_000 }, async () => {
    const real = readFileSync("/etc/hosts");
    await using lab = await labOf("ha", "hb");
    const [a, b] = membersOf(lab);
    const token = await a.found();
    await until(async () => /ha\.office\.internal/.test(a.hosts()));
    b.join(token);
    expect(await until(() => reaches(b, "ha.office.internal"))).toBeLessThan(atOurPace(JOIN_MS));
    await until(() => reaches(a, "hb.office"));
    const { members } = await a.network();
    const lines = members.flatMap(({ name, addresses }) =>
      addresses.map((address) => `${address} ${name}.office.internal ${name}.office`),
    );
    for (const one of [a, b]) {
      expect(one.hosts()).toContain(`# BEGIN sidewire-mesh ${one.host.interface}\n`);
      expect(one.hosts().split("\n")).toEqual(expect.arrayContaining(lines));
      expect(one.hosts().endsWith(HOSTS)).toBe(true);
    }

    // What changes in the roster changes here.
    await a.ask("rename", "hb", "web");
    await until(() => reaches(b, "web.office.internal"));
    await until(async () => !/hb\.office/.test(b.hosts()));

    // A run that is killed leaves its block, and the next one takes it up, or out.
    b.kill();
    await b.wrote(/\(ended with/);
    expect(b.hosts()).toMatch(/ha\.office/);
    await b.up();
    await until(() => reaches(b, "ha.office.internal"));
    b.kill();
    await b.wrote(/\(ended with/);
    await b.up("--no-hosts");
    await until(async () => b.hosts() === HOSTS);
    await until(() => b.canReach("10.9.0.1"));
    expect(b.hosts()).toBe(HOSTS);
    await b.stop();

    expect(await a.ask("down", a.host.interface)).toMatch(
      /the names of members are removed from \/etc\/hosts/,
    );
    expect([a.hosts(), b.hosts()]).toEqual([HOSTS, HOSTS]);
    expect(readFileSync("/etc/hosts").equals(real)).toBe(true);
  });

  it("are answered by DNS to this host alone, where that is wanted", { timeout: 60_000 }, async () => {
    await using lab = await labOf("ha", "hb");
    const [a, b] = membersOf(lab);
    b.join(await a.found(), "--no-hosts", "--dns");
    await until(() => b.canReach("10.9.0.1"));
    const [own = ""] = (await b.network()).members
      .filter(({ name }) => name === "hb")
      .flatMap(({ addresses }) => addresses.filter((address) => address.includes(".")));
    const ask = async (from: LabMember, name: string): Promise<string> => {
      const script = `const r = new (require("node:dns").promises.Resolver)({ timeout: 500, tries: 2 });
        r.setServers([process.argv[1]]);
        r.resolve4(process.argv[2]).then((all) => console.log(all.join()), (error) => console.log(error.code));`;
      return (await from.host.run([process.execPath, "-e", script, own, name])).trim();
    };
    await until(async () => (await ask(b, "ha.office.internal")) === "10.9.0.1");
    expect(await ask(b, "example.org")).toBe("EREFUSED");
    expect(await ask(b, "nobody.office.internal")).toBe("ENOTFOUND");
    // By the tunnel, from another member.
    expect(await a.canReach(own)).toBe(true);
    expect(await ask(a, "ha.office.internal")).toBe("ETIMEOUT");
    await a.ask("rename", "ha", "first");
    await until(async () => (await ask(b, "first.office.internal")) === "10.9.0.1");
    expect(b.hosts()).toBe(HOSTS);
    await b.stop();
    // The interface is gone with it, and so are the addresses that could be asked.
    expect((await b.host.run(["ss", "-lunH", "sport", "=", ":53"])).trim()).toBe("");
  });

  it("are missing where the file cannot be written, and all else works", { timeout: 60_000 }, async () => {
    await using lab = await labOf("ha", "hb");
    const [a, b] = membersOf(lab);
    const token = await a.found();
    b.areHostsReadOnly = true;
    b.join(token);
    await b.wrote(
      /members have no names here, only addresses, since \/etc\/hosts cannot be changed \(.*EROFS/,
    );
    await until(() => b.canReach("10.9.0.1"));
    expect(b.hosts()).toBe(HOSTS);
    expect((await b.run(["status"])).stdout).toMatch(/! members have no names here/);
    expect((await b.run(["status", "--json"])).stdout).toMatch(/"troubles":\["members have no names here/);
    await b.stop();
  });
});
