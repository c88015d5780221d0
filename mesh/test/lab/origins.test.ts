import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import { type Host, type Lab, type LongRunning, makeKeys } from "../../lab/index.js";
import type { Finished } from "../../lab/run.js";
import { withLab } from "../support/needs.js";

const MESH = join(import.meta.dirname, "../..");
const BIN = join(MESH, "bin/sidewire-mesh.js");
const REGISTRAR = join(MESH, "examples/lan-registrar/registrar.mjs");
const CLIENT = join(MESH, "examples/lan-registrar/client.mjs");

/** How long two hosts may take from the second start to the first answer of a ping, in ms. */
const MEET_MS = 15_000;

/** Each test starts about ten programs. */
const SLOW_MS = 180_000;

withLab("the files of other programs, as their users write them", (startLab) => {
  const behindNats = {
    nats: { na: { kind: "port-restricted" }, nb: { kind: "port-restricted" } },
    hosts: { ha: { behind: "na" }, hb: { behind: "nb" } },
    brokers: 1,
    stun: true,
  } as const;

  it("wg-quick: the interface is made, hooks run, and a preshared key is used", {
    timeout: SLOW_MS,
  }, async () => {
    await using lab = await startLab(behindNats);
    const [a, b] = await sidesOf(lab);
    const preshared = Buffer.alloc(32, 7).toString("base64");
    const daemons = [a, b].map((side) => {
      const other = side === a ? b : a;
      const conf = side.write(
        `${side.host.interface}.conf`,
        `[Interface]\nPrivateKey = ${side.privateKey}\nAddress = ${side.address}/24\nMTU = 1380\n` +
          `PostUp = echo %i is up > ${side.file("hook")}\nPreDown = echo %i ends >> ${side.file("hook")}\n\n` +
          `[Peer]\nPublicKey = ${other.publicKey}\nPresharedKey = ${preshared}\nAllowedIPs = ${other.address}/32\n`,
      );
      return side.start(["up", "--config", conf, ...side.servers]);
    });
    await a.reaches(b);
    expect(await a.host.run(["ip", "link", "show", "dev", a.host.interface])).toContain("mtu 1380");
    expect(await a.host.run(["wg", "show", a.host.interface, "preshared-keys"])).toContain(preshared);
    for (const side of [a, b]) expect((await side.run(["down", side.host.interface])).code).toBe(0);
    for (const daemon of daemons) await daemon.wrote(/\(ended with 0\)/);
    const name = a.host.interface;
    expect(await a.host.run(["cat", a.file("hook")])).toBe(`${name} is up\n${name} ends\n`);
  });

  it("wgautomesh: one file for all hosts, whose interface has no peers yet", {
    timeout: SLOW_MS,
  }, async () => {
    await using lab = await startLab(behindNats);
    const [a, b] = await sidesOf(lab);
    const peers = [a, b]
      .map(({ publicKey, address }) => `[[peers]]\npubkey = "${publicKey}"\naddress = "${address}"\n`)
      .join("\n");
    for (const side of [a, b]) {
      await side.wireguard();
      const toml = side.write(
        "wgautomesh.toml",
        `interface = "${side.host.interface}"\ngossip_port = 1666\nlan_discovery = true\ngossip_secret = "x"\n${peers}`,
      );
      const daemon = side.start(["up", "--config", toml, ...side.servers]);
      await daemon.wrote(/gossip_secret has no use any more/);
    }
    await a.reaches(b);
    expect((await a.run(["down", a.host.interface])).code).toBe(0);
    // The peer that was added is gone.
    expect(await a.host.run(["wg", "show", a.host.interface, "peers"])).toBe("");
  });

  it("wirelink: its file where it looks for it, and its environment", { timeout: SLOW_MS }, async () => {
    await using lab = await startLab(behindNats);
    const [a, b] = await sidesOf(lab);
    for (const side of [a, b]) {
      const other = side === a ? b : a;
      await side.wireguard();
      side.write(
        `wirelink.${side.host.interface}.yaml`,
        `Peers:\n  - PublicKey: ${other.publicKey}\n    Name: other\n    FactExchanger: true\n` +
          `    AllowedIPs:\n      - ${other.address}/32\nHideIfaces:\n  - docker*\n`,
      );
      side.env.WIRELINK_CONFIG_PATH = side.folder;
      side.env.WIRELINK_IFACE = side.host.interface;
      side.start(["up", "--wirelink", ...side.servers]);
    }
    await a.reaches(b);
    expect((await a.run(["ping", "other", "-c", "1"])).code).toBe(0);
  });

  it("multiaddr: a registrar on the LAN is checked, and reached through the tunnel", {
    timeout: SLOW_MS,
  }, async () => {
    await using lab = await startLab({
      nats: { na: { kind: "port-restricted" } },
      hosts: { ha: { behind: "na" }, hb: { behind: "na" } },
      brokers: 1,
      stun: true,
    });
    const [a, b] = await sidesOf(lab);
    const wg = ({ publicKey }: Side): string => `u${Buffer.from(publicKey, "base64").toString("base64url")}`;
    const create = (side: Side): string[] => [
      ...["up", side.host.interface, "--create", "--private-key", side.write("key", side.privateKey)],
      ...["--address", `${side.address}/24`, ...side.servers],
    ];
    a.start([...create(a), "--listen-port", "51820", "--peer", `/wg/${wg(b)}/ip4/${b.address}`]);
    const registrar = `/ip4/${a.host.addresses()[0]}/udp/51820/wg/${wg(a)}/ip4/${a.address}/tcp/1616`;
    b.start([...create(b), "--peer", registrar]);
    await b.reaches(a);
    // The host that it names says the same of itself.
    const shown = await a.run(["multiaddr", "show", "--overlay", `/ip4/${a.address}/tcp/1616`]);
    expect(shown.stdout.split("\n")).toContain(registrar);
    const verified = await b.run(["multiaddr", "verify", registrar]);
    expect([verified.code, verified.stderr]).toEqual([0, ""]);
    expect((await b.run(["multiaddr", "verify", registrar.replace(wg(a), wg(b))])).stdout).toContain(
      "this host",
    );
    await using service = a.host.node(REGISTRAR, [registrar], a.env);
    await service.wrote(/registrar at 10\.9\.0\.1:1616/);
    const ask = async (...words: string[]): Promise<string> =>
      (await b.host.tryRun([process.execPath, CLIENT, registrar, ...words])).stdout.trim();
    expect(await ask("find", "printer")).toBe("none");
    expect(await ask("register", "printer", `/wg/${wg(b)}/ip4/${b.address}/tcp/631`)).toBe("ok");
    expect(await ask("find", "printer")).toBe(`/wg/${wg(b)}/ip4/${b.address}/tcp/631`);
    expect(await ask("register", "printer", "/ip4/10.9.0.2/tcp/631")).toMatch(
      /^error: multiaddr: there is no/,
    );
  });
});

async function sidesOf(lab: Lab): Promise<readonly [Side, Side]> {
  const [ha, hb] = [lab.host("ha"), lab.host("hb")];
  return [
    new Side(lab, ha, await makeKeys(ha.namespace), "10.9.0.1"),
    new Side(lab, hb, await makeKeys(hb.namespace), "10.9.0.2"),
  ];
}

/** A host with keys and an address in the tunnel, on which the command runs. */
class Side {
  readonly host: Host;
  readonly publicKey: string;
  readonly privateKey: string;
  readonly address: string;
  readonly servers: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Where its files are. */
  readonly folder: string;
  #daemon: LongRunning | undefined;

  constructor(
    lab: Lab,
    host: Host,
    { privateKey, publicKey }: { readonly privateKey: string; readonly publicKey: string },
    address: string,
  ) {
    this.host = host;
    this.privateKey = privateKey;
    this.publicKey = publicKey;
    this.address = address;
    this.folder = lab.folder;
    const state = join(lab.folder, `state-${host.name}`);
    this.servers = [
      "--brokers",
      lab.brokersFile,
      "--stun",
      lab.stun.join(","),
      "--state",
      state,
      "--no-hosts",
    ];
    this.env = { ...process.env, RUNTIME_DIRECTORY: join(lab.folder, `run-${host.name}`) };
  }

  file(name: string): string {
    return join(
      this.folder,
      name.startsWith("wirelink.") || name.endsWith(".conf") ? name : `${this.host.name}-${name}`,
    );
  }

  write(name: string, text: string): string {
    const path = this.file(name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  /** An interface without peers, as the user has made it. */
  async wireguard(): Promise<void> {
    await this.host.wireguard({ privateKey: this.privateKey, address: `${this.address}/24`, peers: [] });
  }

  start(args: readonly string[]): LongRunning {
    this.#daemon = this.host.node(BIN, args, this.env);
    return this.#daemon;
  }

  async run(args: readonly string[]): Promise<Finished> {
    return await this.host.tryRun([process.execPath, BIN, ...args], { env: this.env });
  }

  async reaches(other: Side): Promise<void> {
    // A tunnel may be there a moment before a daemon can be asked.
    for (const side of [this, other]) await side.#daemon?.wrote(/is looked after/);
    await expect.poll(() => this.host.canPing(other.address), { timeout: atOurPace(MEET_MS) }).toBe(true);
  }
}
