import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import { type Host, type Lab, type LongRunning, makeKeys } from "../../lab/index.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

const BIN = join(import.meta.dirname, "../../bin/sidewire-mesh.js");

/** How long two hosts may take to meet, in ms. */
const MEET_MS = 15_000;

const SLOW_MS = 180_000;

withLab("the configuration is read again on SIGHUP", (startLab) => {
  const description = {
    nats: { na: { kind: "port-restricted" }, nb: { kind: "port-restricted" } },
    hosts: { ha: { behind: "na" }, hb: { behind: "nb" }, hc: {} },
    brokers: 1,
    stun: true,
  } as const;

  it("a made interface: the file of wg-quick", { timeout: SLOW_MS }, async () => {
    await using lab = await startLab(description);
    const [a, b, c] = await sidesOf(lab);
    const write = (peers: readonly Side[], more = ""): string =>
      a.write(
        `${a.host.interface}.conf`,
        `[Interface]\nPrivateKey = ${a.privateKey}\nAddress = ${a.address}/32\n${more}` +
          peers
            .map((peer) => `[Peer]\nPublicKey = ${peer.publicKey}\nAllowedIPs = ${peer.address}/32\n`)
            .join(""),
      );
    const daemon = a.start(["up", "--config", write([b])]);
    for (const side of [b, c])
      side.start([
        ...["up", side.host.interface, "--create", "--private-key", side.write("key", side.privateKey)],
        ...["--address", `${side.address}/24`, "--peer", `${a.publicKey},${a.address}/32`],
      ]);
    await a.reaches(b);
    const stream = PingStream.start(a.host, b.address);
    await stream.answerAfter(0);

    write([b, c]);
    daemon.signal("SIGHUP");
    await daemon.wrote(/is reloaded: 2 peers in the configuration \(1 added\)/);
    await a.reaches(c);

    // A file that cannot be used changes nothing, and what needs a start is named.
    write([b], "ListenPort = no\n");
    daemon.signal("SIGHUP");
    await daemon.wrote(/cannot reload, and the settings stay as they are: .*line 4: ListenPort/);
    expect(await a.host.canPing(c.address)).toBe(true);
    write([b, c], "ListenPort = 4567\n");
    daemon.signal("SIGHUP");
    await daemon.wrote(/listenPort: changed, and takes effect when the daemon is started again/);

    write([b]);
    daemon.signal("SIGHUP");
    await daemon.wrote(/is reloaded: 1 peer in the configuration \(1 removed\)/);
    expect((await a.shown("peers")).trim()).toBe(b.publicKey);
    expect(await a.host.run(["ip", "route", "show", "dev", a.host.interface])).not.toContain(c.address);
    // Other allowed IPs of a peer that stays.
    a.write(
      `${a.host.interface}.conf`,
      `[Interface]\nPrivateKey = ${a.privateKey}\nAddress = ${a.address}/32\n` +
        `[Peer]\nPublicKey = ${b.publicKey}\nAllowedIPs = ${b.address}/32, 10.77.0.0/24\n`,
    );
    daemon.signal("SIGHUP");
    await expect.poll(() => a.shown("allowed-ips")).toContain("10.77.0.0/24");
    await stream.answerAfter(Date.now() + 500);
    expect(stream.lost()).toEqual([]);
  });

  it("an interface that is there: the file of wgautomesh", { timeout: SLOW_MS }, async () => {
    await using lab = await startLab(description);
    const [a, b, c] = await sidesOf(lab);
    const write = (side: Side, peers: readonly Side[]): string =>
      side.write(
        "wgautomesh.toml",
        `interface = "${side.host.interface}"\ngossip_port = 1666\n` +
          peers.map((one) => `[[peers]]\npubkey = "${one.publicKey}"\naddress = "${one.address}"\n`).join(""),
      );
    const daemons = new Map<Side, LongRunning>();
    for (const side of [a, b, c]) {
      await side.host.wireguard({
        privateKey: side.privateKey,
        address: `${side.address}/24`,
      });
      daemons.set(side, side.start(["up", "--config", write(side, side === c ? [a] : [a, b])]));
    }
    await a.reaches(b);
    const stream = PingStream.start(a.host, b.address);
    await stream.answerAfter(0);
    write(a, [a, b, c]);
    daemons.get(a)?.signal("SIGHUP");
    await a.reaches(c);
    write(a, [a, b]);
    daemons.get(a)?.signal("SIGHUP");
    await expect.poll(() => a.shown("peers")).toBe(`${b.publicKey}\n`);
    await stream.answerAfter(Date.now() + 500);
    expect(stream.lost()).toEqual([]);
  });
});

withLab("a preshared key in the own format", (startLab) => {
  it("is given to a peer of an interface that is there, also by a reload", { timeout: SLOW_MS }, async () => {
    await using lab = await startLab({ hosts: { ha: {}, hb: {}, hc: {} }, brokers: 1, stun: true });
    const [a, b] = await sidesOf(lab);
    const write = (side: Side, other: Side, secret: number): string => {
      const presharedKeyFile = side.write(`${secret}.psk`, Buffer.alloc(32, secret).toString("base64"));
      const peer = { publicKey: other.publicKey, allowedIps: [`${other.address}/32`], presharedKeyFile };
      return side.write("mesh.json", JSON.stringify({ addPeers: true, peers: [peer] }));
    };
    for (const [side, other] of [
      [a, b],
      [b, a],
    ] as const) {
      await side.host.wireguard({ privateKey: side.privateKey, address: `${side.address}/24` });
      side.start(["up", side.host.interface, "--config", write(side, other, 7)]);
    }
    await a.reaches(b);
    expect(await a.shown("preshared-keys")).toContain(Buffer.alloc(32, 7).toString("base64"));
    write(a, b, 8);
    a.reload();
    await expect
      .poll(() => a.shown("preshared-keys"), { timeout: atOurPace(MEET_MS) })
      .toContain(Buffer.alloc(32, 8).toString("base64"));
  });
});

async function sidesOf(lab: Lab): Promise<readonly [Side, Side, Side]> {
  const side = async (name: string, address: string): Promise<Side> => {
    const host = lab.host(name);
    return new Side(lab, host, await makeKeys(host.namespace), address);
  };
  return [await side("ha", "10.9.0.1"), await side("hb", "10.9.0.2"), await side("hc", "10.9.0.3")];
}

class Side {
  readonly #lab: Lab;
  readonly host: Host;
  readonly publicKey: string;
  readonly privateKey: string;
  readonly address: string;
  #daemon: LongRunning | undefined;

  constructor(
    lab: Lab,
    host: Host,
    { privateKey, publicKey }: { readonly privateKey: string; readonly publicKey: string },
    address: string,
  ) {
    this.#lab = lab;
    this.host = host;
    this.privateKey = privateKey;
    this.publicKey = publicKey;
    this.address = address;
  }

  write(name: string, text: string): string {
    const path = join(this.#lab.folder, name.endsWith(".conf") ? name : `${this.host.name}-${name}`);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }

  start(args: readonly string[]): LongRunning {
    const { folder, brokersFile, stun } = this.#lab;
    const more = ["--brokers", brokersFile, "--stun", stun.join(","), "--no-hosts", "--no-port-mapping"];
    const state = ["--state", join(folder, `state-${this.host.name}`)];
    this.#daemon = this.host.node(BIN, [...args, ...more, ...state], {
      ...process.env,
      RUNTIME_DIRECTORY: join(folder, `run-${this.host.name}`),
    });
    return this.#daemon;
  }

  reload(): void {
    this.#daemon?.signal("SIGHUP");
  }

  async shown(what: string): Promise<string> {
    return await this.host.run(["wg", "show", this.host.interface, what]);
  }

  async reaches(other: Side): Promise<void> {
    for (const side of [this, other]) await side.#daemon?.wrote(/is looked after/);
    await expect.poll(() => this.host.canPing(other.address), { timeout: atOurPace(MEET_MS) }).toBe(true);
  }
}
