import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import type { Lab, LabDescription } from "../../lab/index.js";
import { homes } from "../support/lab-member.js";
import { withLab } from "../support/needs.js";
import { blocksBelow, texts, wordsOf } from "../support/page-blocks.js";
import { type PageHost, PageHosts } from "../support/page-host.js";

const PAGE = "docs/cookbook.md";

/** Each recipe starts some daemons, and some of them twice. */
const SLOW_MS = 120_000;

/** What is shown as the token. */
const TOKEN = "swm1_…";

const firstMachine = blocksBelow(PAGE, "The first machine");

/** Does what every recipe begins with. */
async function found(host: PageHost): Promise<void> {
  const [key = "", service = ""] = texts(firstMachine, "sh", 2);
  const [config = ""] = texts(firstMachine, "json", 1);
  const [output = ""] = texts(firstMachine, "text", 1);
  await host.run(key);
  host.write("/etc/sidewire-mesh/wg0.json", config);
  expect(await host.run(service)).toContain(output);
}

/** The token in what `invite` and the commands after it have printed. */
function tokenIn(output: string): string {
  const [token] = /^swm1_\S+$/m.exec(output) ?? [];
  if (token === undefined) throw new Error(`there is no token: ${output}`);
  return token;
}

function withToken(block: string, token: string): string {
  expect(block).toContain(TOKEN);
  return block.replace(TOKEN, token);
}

/** Runs a line on a machine again and again, until it ends with 0. */
async function untilRuns(host: PageHost, line: string): Promise<void> {
  await expect.poll(async () => (await host.tryRun(line)).code, { timeout: atOurPace(20_000) }).toBe(0);
}

withLab("the cookbook, as it is written", (startLab) => {
  const start = async (lab: LabDescription): Promise<Lab> =>
    await startLab({ brokers: 1, stun: true, ...lab });

  it("a home lab behind CGNAT", { timeout: SLOW_MS }, async () => {
    const blocks = blocksBelow(PAGE, "A home lab behind CGNAT");
    const [invite = "", join = "", ping = "", again = ""] = texts(blocks, "sh", 4);
    const [output = ""] = texts(blocks, "text", 1);
    await using lab = await start({
      nats: {
        provider: { kind: "port-restricted" },
        home: { kind: "port-restricted", behind: "provider" },
        cafe: { kind: "port-restricted" },
      },
      hosts: { server: { behind: "home" }, laptop: { behind: "cafe" } },
    });
    await using machines = new PageHosts(lab, ["server", "laptop"]);
    const [server, laptop] = machines.all;
    if (server === undefined || laptop === undefined) throw new Error("a machine is missing");
    await found(server);
    const token = tokenIn(await server.run(invite));
    const joined = laptop.start(withToken(join, token));
    await joined.wrote(/ direct NAT /);
    expect(joined.log.split("\n").map(wordsOf)).toContain(wordsOf(output));
    await laptop.run(ping);
    await laptop.run("sidewire-mesh down wg0");
    await joined.wrote(/\(ended with 0\)/);
    const upAgain = laptop.start(again);
    await upAgain.wrote(/ direct NAT /);
    await untilRuns(laptop, ping);
  });

  it("two offices", { timeout: SLOW_MS }, async () => {
    const blocks = blocksBelow(PAGE, "Two offices");
    const [invite = "", join = "", set = "", forward = "", routeInBerlin = "", routeInLyon = "", ping = ""] =
      texts(blocks, "sh", 7);
    const [output = ""] = texts(blocks, "text", 1);
    await using lab = await start({
      nats: {
        nb: { kind: "port-restricted", lan: "192.168.7.0/24" },
        nl: { kind: "port-restricted", lan: "192.168.8.0/24" },
      },
      hosts: {
        berlin: { behind: "nb" },
        "computer-b": { behind: "nb" },
        lyon: { behind: "nl" },
        "computer-l": { behind: "nl" },
      },
    });
    await using machines = new PageHosts(lab, ["berlin", "lyon", "computer-b", "computer-l"]);
    const [berlin, lyon, inBerlin, inLyon] = machines.all;
    if (berlin === undefined || lyon === undefined || inBerlin === undefined || inLyon === undefined)
      throw new Error("a machine is missing");
    // The addresses on the page.
    const addresses = [berlin, inBerlin, lyon, inLyon].map(({ host }) => host.address());
    expect(addresses).toEqual(["192.168.7.2", "192.168.7.3", "192.168.8.2", "192.168.8.3"]);
    await found(berlin);
    await lyon.run(withToken(join, tokenIn(await berlin.run(invite))));
    const told = await berlin.run(set);
    expect(told).toContain(output);
    for (const gateway of [berlin, lyon]) await gateway.run(forward);
    expect((await inBerlin.tryRun(ping.replace("-c 3", "-c 1 -W 1"))).code).not.toBe(0);
    await inBerlin.run(routeInBerlin);
    await inLyon.run(routeInLyon);
    await untilRuns(inBerlin, ping);
    await untilRuns(inLyon, "ping -c 1 -W 1 192.168.7.3");
    await untilRuns(berlin, "ping -c 1 -W 1 lyon.firm.internal");
  });

  it("a fleet of Raspberry Pis", { timeout: SLOW_MS }, async () => {
    const blocks = blocksBelow(PAGE, "A fleet of Raspberry Pis");
    const [invite = "", join = "", look = "", remove = ""] = texts(blocks, "sh", 4);
    await using lab = await start(homes("desk", "pi-1", "pi-2"));
    await using machines = new PageHosts(lab, ["desk", "pi-1", "pi-2"]);
    const [desk, ...pis] = machines.all;
    if (desk === undefined) throw new Error("a machine is missing");
    await found(desk);
    const token = tokenIn(await desk.run(invite));
    for (const pi of pis) {
      await pi.run(withToken(join, token).replace("pi-1", pi.host.name));
      await pi.run("grep -q '^ExecStart=.* up %i' /etc/systemd/system/sidewire-mesh@.service");
    }
    await untilRuns(desk, look);
    const members = await desk.run(look);
    for (const name of ["pi-1", "pi-2"]) expect(members).toMatch(new RegExp(`^${name} .*\\bpi\\b`, "m"));
    await untilRuns(desk, "ping -c 1 -W 1 pi-2.fleet.internal");
    // They are not to reach each other.
    const peers = (await pis[0]?.run("wg show wg0 peers"))?.trim().split("\n");
    expect(peers).toHaveLength(1);
    expect((await pis[0]?.tryRun("ping -c 1 -W 1 10.9.0.3"))?.code).not.toBe(0);
    await desk.run(remove);
    await expect.poll(async () => await desk.run("sidewire-mesh members")).not.toContain("pi-1");
  });

  it("a CI runner to a database", { timeout: SLOW_MS }, async () => {
    const blocks = blocksBelow(PAGE, "A CI runner to a database");
    const [invite = "", make = "", begin = "", end = ""] = texts(blocks, "sh", 4);
    await using lab = await start(homes("db", "desk", "job-1", "job-2"));
    await using machines = new PageHosts(lab, ["db", "desk", "job-1", "job-2"]);
    const [db, desk, ...jobs] = machines.all;
    if (db === undefined || desk === undefined) throw new Error("a machine is missing");
    await found(db);
    await desk.run(withToken(make, tokenIn(await db.run(invite))));
    const secret = await desk.run("cat runner.txt");
    // One after the other, each on a machine that knows nothing yet.
    for (const job of jobs) {
      const running = job.start(`MESH_STATE=${secret}\n${begin}\necho reached the database\nwait`);
      await running.wrote(/reached the database/);
      await untilRuns(job, "ping -c 1 -W 1 db.ci.internal");
      await job.run(end);
      await running.wrote(/\(ended with 0\)/);
    }
    expect((await db.run("sidewire-mesh members")).match(/^runner /gm)).toHaveLength(1);
  });
});
