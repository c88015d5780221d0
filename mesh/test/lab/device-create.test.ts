import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { type Host, type Lab, makeKeys } from "../../lab/index.js";
import type { NewInterface } from "../../src/device/create.js";
import type { Device } from "../../src/device/device.js";
import { parsePrefix } from "../../src/ip/prefix.js";
import { parseKey } from "../../src/wireguard-key.js";
import { endpoint, openDevice } from "../support/device.js";
import { withLab } from "../support/needs.js";

withLab("an interface that is made", (startLab) => {
  const prefix = (text: string) => {
    const parsed = parsePrefix(text);
    if (parsed === undefined) throw new Error(text);
    return parsed;
  };

  /** The interface of `host` is to be made; the other's is there. */
  const prepare = async (): Promise<{
    lab: Lab;
    host: Host;
    other: Host;
    publicKey: string;
    create: NewInterface;
  }> => {
    const lab = await startLab({ hosts: { ha: {}, hb: {} } });
    const [host, other] = [lab.host("ha"), lab.host("hb")];
    const [own, theirs] = [await makeKeys(host.namespace), await makeKeys(other.namespace)];
    await other.wireguard({
      privateKey: theirs.privateKey,
      address: "10.9.0.2/24",
      peers: [{ publicKey: own.publicKey, allowedIps: ["10.9.0.1/32"] }],
    });
    await lab.watch("10.9.0.1");
    const create: NewInterface = {
      privateKey: parseKey(own.privateKey),
      listenPort: 51_820,
      addresses: [{ address: "10.9.0.1", prefix: prefix("10.9.0.1/24") }],
      peers: [
        {
          publicKey: parseKey(theirs.publicKey),
          allowedIps: [prefix("10.9.0.2/32"), prefix("10.77.0.0/16")],
        },
      ],
    };
    return { lab, host, other, publicKey: theirs.publicKey, create };
  };

  const network = async (host: Host): Promise<string> =>
    `${await host.run(["ip", "-j", "addr"])}${await host.run(["ip", "-j", "route"])}`;

  const socketOf = (host: Host): string => join("/var/run/wireguard", `${host.interface}.sock`);

  const use = async (device: Device, publicKey: string, other: Host): Promise<void> =>
    await device.use(publicKey, endpoint(other.address(), 51_820), { isFresh: true });

  it("works, and nothing is left of it", async () => {
    const { lab, host, other, publicKey, create } = await prepare();
    await using _ = lab;
    const before = await network(host);
    const device = await openDevice(lab, host, { create });
    const link = (await device.links()).find(({ name }) => name === host.interface);
    expect(link).toMatchObject({ mtu: 1280, isUp: true });
    expect(await device.routeTo("10.77.1.1")).toMatchObject({ device: host.interface });
    await use(device, publicKey, other);
    expect(await host.canPing("10.9.0.2")).toBe(true);
    await device.close();
    expect(await network(host)).toBe(before);
    expect(existsSync(socketOf(host))).toBe(false);
  });

  it("restores addresses and routes that somebody removes", async () => {
    const { lab, host, create } = await prepare();
    await using _ = lab;
    await using device = await openDevice(lab, host, { create });
    const whole = await network(host);
    await host.run(["ip", "addr", "flush", "dev", host.interface]);
    await host.run(["ip", "route", "del", "10.77.0.0/16"]).catch(() => {});
    await once(device, "wake");
    for (const text of ["10.9.0.1", "10.77.0.0/16"]) {
      expect(whole).toContain(text);
      expect(await network(host)).toContain(text);
    }
  });

  it("is made anew when it is gone", async () => {
    const { lab, host, other, publicKey, create } = await prepare();
    await using _ = lab;
    await using device = await openDevice(lab, host, { create });
    await device.installTable(51_990);
    await host.run(["ip", "link", "delete", "dev", host.interface]);
    const [warning] = await once(device, "warning");
    expect(warning).toMatch(/was gone, and is made anew/);
    await once(device, "wake");
    await use(device, publicKey, other);
    expect(await host.canPing("10.9.0.2")).toBe(true);
  });

  it("of a run that was killed is gone on with, tunnels and all", async () => {
    const { lab, host, other, publicKey, create } = await prepare();
    await using _ = lab;
    const before = await network(host);
    const killed = await openDevice(lab, host, { create });
    await use(killed, publicKey, other);
    expect(await host.canPing("10.9.0.2")).toBe(true);
    // As a killed run leaves it: the state is there, the lock is nobody's.
    const lockFolder = join(lab.folder, "other-locks");
    const next = await openDevice(lab, host, { create, lockFolder });
    expect(next.state.peers[0]?.lastHandshake).toBeDefined();
    expect(await host.canPing("10.9.0.2")).toBe(true);
    await next.close();
    expect(await network(host)).toBe(before);
    await killed.close();
    expect(await network(host)).toBe(before);
  });

  it("is not made where there is one, nor over a LAN; nothing is half-done", async () => {
    const { lab, host, other, create } = await prepare();
    await using _ = lab;
    await host.run(["ip", "addr", "add", "10.9.0.200/25", "dev", "eth0"]);
    const before = await network(host);
    await expect(openDevice(lab, host, { create })).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(/10\.9\.0\.0\/24 covers addresses of eth0/),
    });
    expect(await network(host)).toBe(before);
    await expect(openDevice(lab, other, { create })).rejects.toMatchObject({
      code: "CONFLICT",
      message: expect.stringMatching(/is there already/),
    });
  });

  it("shows what it would do, and does nothing", async () => {
    const { lab, host, create } = await prepare();
    await using _ = lab;
    const before = await network(host);
    const device = await openDevice(lab, host, { create, isDryRun: true });
    await device.close();
    expect(await network(host)).toBe(before);
    expect(device.planned).toEqual([
      `ip link add dev ${host.interface} type wireguard`,
      `wg set ${host.interface} listen-port 51820 private-key /dev/stdin <<< "(a secret key)"`,
      `wg set ${host.interface} peer ${device.state.peers[0]?.publicKey} allowed-ips 10.9.0.2/32,10.77.0.0/16`,
      `ip addr replace 10.9.0.1/24 dev ${host.interface}`,
      `ip link set dev ${host.interface} mtu 1280 up`,
      `ip route replace 10.77.0.0/16 dev ${host.interface}`,
    ]);
  });
});
