import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { ControlServer } from "../../src/control/server.js";
import type { MeshInfo } from "../../src/info.js";
import type { MemberInfo } from "../../src/membership/requests.js";
import { parseWgQuick } from "../../src/origins/wg-quick.js";
import { formatKey, publicKeyOf } from "../../src/wireguard-key.js";
import { objects, run } from "../support/command.js";
import { directPeer, FakeMesh, KEY_A, OWN_KEY, someInfo } from "../support/fake-mesh.js";
import { temporaryFolder } from "../support/temporary-folder.js";

async function daemon(now: MeshInfo = someInfo()): Promise<NodeJS.ProcessEnv> {
  const mesh = new FakeMesh();
  mesh.now = now;
  return await daemonOf(mesh);
}

async function daemonOf(mesh: FakeMesh): Promise<NodeJS.ProcessEnv> {
  const folder = join(temporaryFolder(), "run");
  const control = await ControlServer.open({ path: join(folder, "lo.sock"), mesh, onDown: () => {} });
  onTestFinished(() => control.close([]));
  return { RUNTIME_DIRECTORY: folder };
}

const FOR_PHONE = ["export", "lo", "--address", "10.9.0.9/24", "--endpoint", "home.example:51820"];

describe("export", () => {
  it("prints a file that WireGuard reads, with keys of its own, and how the host lets it in", async () => {
    const env = await daemon();
    const args = [...FOR_PHONE, "--allowed-ips", "10.9.0.0/24,fd00::/64", "--dns", "10.9.0.1", "--json"];
    const { code, out, err } = await run(args, { env });
    expect([code, err]).toEqual([0, ""]);
    const [{ conf, publicKey, presharedKey, admit } = {}] = objects(out) as Record<string, string>[];
    const { create } = await parseWgQuick(conf ?? "", "phone", async () => ["192.0.2.1"]);
    expect(create && formatKey(publicKeyOf(create.privateKey))).toBe(publicKey);
    const [host] = create?.peers ?? [];
    expect(host && formatKey(host.publicKey)).toBe(OWN_KEY);
    expect(host?.presharedKey && formatKey(host.presharedKey)).toBe(presharedKey);
    expect(conf).toContain("\nAddress = 10.9.0.9/32\nDNS = 10.9.0.1\n");
    expect(conf).toContain("\nAllowedIPs = 10.9.0.0/24, fd00::/64\nEndpoint = home.example:51820\n");
    expect(admit).toBe(`wg set lo peer ${publicKey} preshared-key /dev/stdin allowed-ips 10.9.0.9/32`);
    // Each has keys of its own.
    const [other = {}] = objects((await run(args, { env })).out) as Record<string, string>[];
    expect(other.publicKey).not.toBe(publicKey);
  });

  it("takes a public address of the host where none is named, and the networks of the interface", async () => {
    const mapped = { kind: "mapped", endpoint: "8.8.4.4:40000", ageS: 1 } as const;
    const own = { kind: "host", endpoint: "192.168.1.5:51820", ageS: 1 } as const;
    const env = await daemon(someInfo({ candidates: [own, mapped] }));
    const { out } = await run(["export", "--address", "10.9.0.9"], { env });
    expect(out).toContain("\nEndpoint = 8.8.4.4:40000\n");
    expect(out).toContain("\nAllowedIPs = 127.0.0.0/8");
  });

  it.each([
    [["--address", "10.9.0.9"], "--endpoint HOST:PORT is missing"],
    [["--address", "10.9.0.2", "--endpoint", "a:1"], `10.9.0.2/32 is an allowed IP of the peer ${KEY_A}`],
    [["--address", "127.0.0.1", "--endpoint", "a:1"], "127.0.0.1/32 is the address of this host on lo"],
    [
      ["--address", "10.9.7.7", "--endpoint", "a:1"],
      `10.9.7.7/32 is in 10.9.7.0/24, an allowed IP of the peer ${KEY_A}`,
    ],
    [
      ["--address", "fd00:7::1", "--endpoint", "a:1"],
      `is in fd00:7::/64, an allowed IP of the peer ${KEY_A}`,
    ],
    [["--address", "x", "--endpoint", "a:1"], '--address "x"'],
    [["--address", "10.9.0.9", "--endpoint", "a"], '--endpoint "a"'],
    [["--address", "10.9.0.9", "--endpoint", "a:1", "--dns", "b"], "--dns b"],
    [["--address", "10.9.0.9", "--endpoint", "a:1", "--allowed-ips", "b"], '--allowed-ips "b"'],
  ])("refuses %j", async (args, reason) => {
    const ranges = ["10.9.0.2/32", "10.9.7.0/24", "fd00:7::/64"];
    const env = await daemon(someInfo({ peers: [directPeer({ allowedIps: ranges })] }));
    const { code, out, err } = await run(["export", "lo", ...args], { env });
    expect([code, out]).toEqual([2, ""]);
    expect(err).toContain(reason);
  });
});

describe("export beside a peer that is the way out to the internet", () => {
  it("takes any free address", async () => {
    const env = await daemon(someInfo({ peers: [directPeer({ allowedIps: ["0.0.0.0/0", "::/0"] })] }));
    expect(await run([...FOR_PHONE, "--allowed-ips", "10.9.0.0/24"], { env })).toMatchObject({ code: 0 });
  });
});

describe("dump", () => {
  it("has what a report needs, without keys and addresses; all of it with --plain", async () => {
    const env = await daemon();
    const { code, out, err } = await run(["dump", "lo"], { env });
    expect(code).toBe(0);
    for (const title of ["versions", "status", "ip -br addr", "wg show lo"])
      expect(out).toContain(`## ${title}\n`);
    for (const secret of [KEY_A, OWN_KEY, "198.51.100.7"]) expect(out).not.toContain(secret);
    expect(out).toContain('"publicKey": "KEY1"');
    expect(err).toContain("Read it before you send it");
    const plain = await run(["dump", "--plain", "--json"], { env });
    expect(objects(plain.out)).toMatchObject([{ status: expect.stringContaining(OWN_KEY) }]);
  });

  it("has no names of own brokers, of members that are no peers, and of the network", async () => {
    const names = ["mqtt.home.example", "berta", "carl", "ourplace"];
    const troubles = ["the roster is forked: berta has another statement 3 of the admin carl"];
    const brokers = [
      { host: "mqtt.home.example", port: 1883, state: "waiting", error: "mqtt.home.example refused" },
      { host: "test.mosquitto.org", port: 1883, state: "open", error: undefined },
    ];
    const member = (name: string): MemberInfo => ({
      ...{ name, publicKey: KEY_A, addresses: [], isAdmin: false, groups: [], routes: [] },
      ...{ mayRelay: false, isSelf: false, since: 1 },
    });
    const mesh = new FakeMesh();
    mesh.now = someInfo({ troubles, brokers });
    mesh.membership = async () => ({
      did: "members",
      network: {
        ...{ name: "ourplace", id: "0".repeat(32), isAdmin: true, troubles: [] },
        ...{ members: [member("berta"), member("carl")], waiting: [] },
      },
    });
    const { out } = await run(["dump", "lo"], { env: await daemonOf(mesh) });
    for (const name of names) expect(out).not.toContain(name);
    expect(out).toMatch(/forked: NAME\d has another statement 3 of the admin NAME\d/);
    // Everybody knows the public brokers.
    expect(out).toContain("test.mosquitto.org");
  });

  it("says that there is no daemon, and goes on", async () => {
    const env = { RUNTIME_DIRECTORY: join(temporaryFolder(), "none") };
    const { code, out } = await run(["dump"], { env });
    expect(code).toBe(0);
    expect(out).toContain("## status\n\nNO_DAEMON: ");
  });
});
