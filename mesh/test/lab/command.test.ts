import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { find } from "../../../test/support/find.js";
import { type Host, type Lab, type LongRunning, makeKeys, type Wireguard } from "../../lab/index.js";
import type { Finished } from "../../lab/run.js";
import { linkLocalAddress } from "../../src/overlay/link-local.js";
import { objects } from "../support/command.js";
import { snapshot } from "../support/device.js";
import { withLab } from "../support/needs.js";

const BIN = join(import.meta.dirname, "../../bin/sidewire-mesh.js");

/** A key of low order: the neutral element. */
const LOW_ORDER = Buffer.alloc(32).toString("base64");

withLab("the command in the lab", (startLab) => {
  /** Two hosts behind NATs that know each other's keys, and nothing else. */
  const twoHosts = async (): Promise<{ lab: Lab; a: Side; b: Side }> => {
    const lab = await startLab({
      nats: { na: { kind: "port-restricted" }, nb: { kind: "port-restricted" } },
      hosts: { ha: { behind: "na" }, hb: { behind: "nb" } },
      brokers: 1,
      stun: true,
    });
    const hosts = [lab.host("ha"), lab.host("hb")] as const;
    const keys = [await makeKeys(hosts[0].namespace), await makeKeys(hosts[1].namespace)] as const;
    const sideOf = (i: 0 | 1): Side =>
      new Side(lab, hosts[i], keys[i], keys[i === 0 ? 1 : 0].publicKey, i + 1);
    return { lab, a: sideOf(0), b: sideOf(1) };
  };

  it("brings two hosts together, shows how, and leaves both as they were", async () => {
    const { lab, a, b } = await twoHosts();
    await using _ = lab;
    await a.wireguard();
    const before = [await snapshot(a.host), await b.host.run(["ip", "-j", "addr"])];
    const daemons = [
      a.start(["up", a.name, ...a.servers]),
      b.start(["up", b.name, ...b.servers, "--create", ...b.create]),
    ];
    for (const daemon of daemons) await daemon.wrote(/ direct {3}direct NAT /);
    await expect.poll(() => a.host.canPing("10.9.0.2"), { timeout: 10_000 }).toBe(true);
    // The address that follows from the key is there without being asked for.
    const linkLocal = linkLocalAddress(Buffer.from(b.publicKey, "base64"));
    expect(await b.host.run(["ip", "-br", "addr"])).toContain(linkLocal);

    const status = await a.run(["status"]);
    const line = status.stdout.split("\n").find((one) => one.startsWith(`${b.publicKey.slice(0, 8)}…`));
    expect(line).toMatch(/^\S+… {2}direct {2}direct NAT {2}\S+ +\d/);
    expect(status.stdout).toContain("brokers     1 of 1 connected");
    const [info] = objects((await b.run(["status", b.name, "--json"])).stdout);
    expect(info).toMatchObject({ interface: b.name, peers: [{ publicKey: a.publicKey, state: "direct" }] });
    const pinged = await a.run(["ping", b.publicKey.slice(0, 6), "-c", "1", "--json"]);
    expect(objects(pinged.stdout)).toContainEqual(
      expect.objectContaining({ publicKey: b.publicKey, isInUse: true, roundTripMs: expect.any(Number) }),
    );

    const second = await a.run(["up", a.name, ...a.servers]);
    expect([second.code, second.stdout]).toEqual([1, ""]);
    expect(second.stderr).toMatch(
      /^sidewire-mesh: .* is looked after by another sidewire-mesh, process \d+: sidewire-mesh down \S+ ends it\n$/,
    );

    // First the one whose interface goes: what it still sends would tell the other's WireGuard where it is.
    for (const side of [b, a]) {
      const { code, stdout } = await side.run(["down", side.name]);
      expect(code).toBe(0);
      expect(stdout).toContain(`${side.name} is left as it was:`);
      expect(stdout).toContain("of nft is removed");
    }
    for (const daemon of daemons) await daemon.wrote(/\(ended with 0\)/);
    expect(await snapshot(a.host)).toBe(before[0]);
    // The interface is gone; the counter of its index is nobody's.
    expect(await b.host.run(["ip", "-j", "addr"])).toBe(before[1]);
    expect((await b.run(["status", b.name])).code).toBe(1);
  });

  it("ends cleanly with SIGTERM", async () => {
    const { lab, a } = await twoHosts();
    await using _ = lab;
    await a.wireguard();
    const before = await snapshot(a.host);
    const daemon = a.start(["up", a.name, ...a.servers]);
    await daemon.wrote(/reachable at/);
    expect(await snapshot(a.host)).not.toBe(before);
    daemon.signal("SIGTERM");
    await daemon.wrote(/\(ended with 0\)/);
    expect(await snapshot(a.host)).toBe(before);
  });

  it("prints its plan, changes nothing, and the plan is what happens", async () => {
    const { lab, a, b } = await twoHosts();
    await using _ = lab;
    await a.wireguard();
    const before = [await snapshot(a.host), await b.host.run(["ip", "-j", "addr"])];
    const adopted = await a.run(["up", a.name, "--dry-run"]);
    expect([adopted.code, adopted.stderr]).toEqual([0, ""]);
    expect(adopted.stdout).toContain(`table inet sidewire_mesh_${a.name} {`);
    // It shows what changes something, and no look at it.
    expect(adopted.stdout).not.toMatch(/ (?:list|show) /);
    const made = await b.run(["up", b.name, "--dry-run", "--create", ...b.create, "--listen-port", "51820"]);
    expect(made.code).toBe(0);
    expect(made.stdout).toContain(`ip link add dev ${b.name} type wireguard\n`);
    expect(made.stdout).toContain(`ip addr replace 10.9.0.2/24 dev ${b.name}\n`);
    expect(made.stdout).not.toContain(b.privateKey);
    expect([await snapshot(a.host), await b.host.run(["ip", "-j", "addr"])]).toEqual(before);
    // A shell takes the lines of an adopted interface as they are.
    await a.host.run(["bash", "-c", adopted.stdout]);
    expect(await a.host.run(["nft", "list", "ruleset"])).toContain(`sidewire_mesh_${a.name}`);
  });

  it("says what is wrong and does nothing by halves", { timeout: 120_000 }, async () => {
    const { lab, a, b } = await twoHosts();
    await using _ = lab;
    await a.wireguard();
    const state = a.stateFolder;
    const create = (side: Side, ...more: readonly string[]): string[] => [
      ...["up", "new0", "--create", "--private-key", side.keyFile, ...side.servers, ...more],
    ];
    const other = (await makeKeys(a.host.namespace)).publicKey;
    const lan = `${a.host.address().replace(/\d+$/, "77")}/24`;
    const bin = join(lab.folder, "bin");
    mkdirSync(bin);
    symlinkSync(find("ip") ?? "", join(bin, "ip"));
    symlinkSync(find("nft") ?? "", join(bin, "nft"));
    const cases: readonly [string, readonly string[], number, string, RegExp, (readonly string[])?][] = [
      ["an unknown interface", ["up", "none0"], 2, "NO_INTERFACE", /there is no interface none0: .*--create/],
      [
        "another kind of interface",
        ["up", "eth0"],
        2,
        "NO_INTERFACE",
        /eth0 is not an interface of WireGuard/,
      ],
      ["the own key", create(a, "--peer", a.publicKey), 2, "OWN_KEY", /is this host itself: remove it/],
      ["a low-order key", create(a, "--peer", LOW_ORDER), 2, "LOW_ORDER_KEY", /low order.*Remove this peer/],
      [
        "two peers with one allowed IP",
        create(a, "--peer", `${b.publicKey},10.8.0.2`, "--peer", `${other},10.8.0.2/32`),
        ...([2, "CONFLICT", /10\.8\.0\.2\/32 is an allowed IP of the peers/] as const),
      ],
      [
        "an overlay over the LAN",
        create(a, "--address", lan),
        2,
        "CONFLICT",
        /covers addresses of eth0 .*choose/,
      ],
      [
        "an interface that is there",
        ["up", a.name, ...create(a).slice(2)],
        2,
        "CONFLICT",
        /is there already/,
      ],
      [
        "a port that is taken",
        create(a, "--listen-port", "51820"),
        1,
        "COMMAND_FAILED",
        /port 51820 is taken/,
      ],
      [
        "a broken ledger",
        ["up", a.name, "--state", `${state}-broken`],
        ...([1, "FILE", /is damaged .*Move it away/] as const),
      ],
      [
        "no right to do it",
        ["up", a.name],
        ...([1, "NOT_PERMITTED", /root/] as const),
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"],
      ],
      [
        "no wg",
        ["up", a.name, "--state", `${state}2`],
        1,
        "MISSING_PROGRAM",
        /`wg` is not installed.*wireguard-tools/,
        ["env", `PATH=${bin}`],
      ],
    ];
    mkdirSync(state, { recursive: true });
    const broken = `${state}-broken`;
    mkdirSync(broken, { recursive: true });
    writeFileSync(join(broken, `${a.name}.device`), "{");
    const before = await snapshot(a.host);
    const failures: string[] = [];
    for (const [what, args, code, name, message, prefix = []] of cases) {
      const ended = await a.run([...args, "--json"], prefix);
      const [error, ...more] = ended.stderr.split("\n").filter((line) => line !== "");
      const said = error?.startsWith("{") ? objects(error)[0] : { error };
      const isRight =
        ended.code === code &&
        ended.stdout === "" &&
        more.length === 0 &&
        said?.code === name &&
        message.test(String(said.error));
      if (!isRight) failures.push(`${what}: ${ended.code} ${ended.stdout}${ended.stderr}`);
      if ((await snapshot(a.host)) !== before) failures.push(`${what}: it left something behind`);
    }
    expect(failures).toEqual([]);
  });

  it("sets aside a state file that is damaged, says so, and goes on", async () => {
    const { lab, a, b } = await twoHosts();
    await using _ = lab;
    await a.wireguard();
    await b.wireguard();
    const [, state = ""] = a.servers.slice(a.servers.indexOf("--state"));
    mkdirSync(state, { recursive: true });
    for (const kind of ["json", "mappings.json"]) writeFileSync(join(state, `${a.name}.${kind}`), "{");
    const daemon = a.start(["up", a.name, ...a.servers]);
    b.start(["up", b.name, ...b.servers]);
    await daemon.wrote(/ direct {3}direct NAT /);
    for (const kind of ["json", "mappings.json"])
      expect(daemon.log).toMatch(new RegExp(`${a.name}\\.${kind} is damaged .*moved to .*damaged`));
    const [info] = objects((await a.run(["status", "--json"])).stdout);
    expect(info).toMatchObject({ troubles: [expect.any(String), expect.any(String)] });
  });
});

/** One of the two hosts, and the command on it. */
class Side {
  readonly host: Host;
  readonly publicKey: string;
  readonly privateKey: string;
  readonly keyFile: string;
  /** The options that `--create` goes with. */
  readonly create: readonly string[];
  readonly servers: readonly string[];
  readonly stateFolder: string;
  readonly #lab: Lab;
  readonly #otherKey: string;
  readonly #number: number;

  constructor(
    lab: Lab,
    host: Host,
    { privateKey, publicKey }: { readonly privateKey: string; readonly publicKey: string },
    otherKey: string,
    number: number,
  ) {
    this.host = host;
    this.publicKey = publicKey;
    this.privateKey = privateKey;
    this.keyFile = join(lab.folder, `${host.name}.key`);
    writeFileSync(this.keyFile, `${privateKey}\n`, { mode: 0o600 });
    this.stateFolder = join(lab.folder, `state-${host.name}`);
    this.servers = ["--brokers", lab.brokersFile, "--stun", lab.stun.join(","), "--state", this.stateFolder];
    this.create = [
      ...["--private-key", this.keyFile, "--address", `10.9.0.${number}/24`],
      ...["--peer", `${otherKey},10.9.0.${3 - number}/32`],
    ];
    this.#lab = lab;
    this.#otherKey = otherKey;
    this.#number = number;
  }

  get name(): string {
    return this.host.interface;
  }

  /** The interface that the user has made himself. */
  async wireguard(): Promise<Wireguard> {
    return await this.host.wireguard({
      privateKey: this.privateKey,
      address: `10.9.0.${this.#number}/24`,
      peers: [{ publicKey: this.#otherKey, allowedIps: [`10.9.0.${3 - this.#number}/32`] }],
    });
  }

  start(args: readonly string[]): LongRunning {
    return this.host.node(BIN, args, this.#env);
  }

  async run(args: readonly string[], prefix: readonly string[] = []): Promise<Finished> {
    return await this.host.tryRun([...prefix, process.execPath, BIN, ...args], { env: this.#env });
  }

  get #env(): NodeJS.ProcessEnv {
    return { ...process.env, RUNTIME_DIRECTORY: join(this.#lab.folder, `run-${this.host.name}`) };
  }
}
