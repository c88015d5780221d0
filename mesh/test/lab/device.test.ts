import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import type { Host, Lab, LongRunning } from "../../lab/index.js";
import type { Device } from "../../src/device/device.js";
import { Programs } from "../../src/device/programs.js";
import { type DevicePeer, parseDump } from "../../src/device/state.js";
import { formatEndpoint } from "../../src/ip/endpoint.js";
import { endpoint, openDevice, type Side, snapshot, twoSides } from "../support/device.js";
import { withLab } from "../support/needs.js";

const PROGRAM = fileURLToPath(new URL("../support/device-program.ts", import.meta.url));

/** A preshared key for tests. */
const PRESHARED = randomBytes(32).toString("base64");

withLab("the device", (startLab) => {
  const peerOf = (device: Device, { publicKey }: Side) => {
    const peer = device.state.peers.find((one) => one.publicKey === publicKey);
    if (peer === undefined) throw new Error("no such peer");
    return peer;
  };

  /** Reads until something holds. Whatever it is, WireGuard tells nobody of it. */
  const until = async (device: Device, holds: () => boolean): Promise<number> => {
    const startedAt = performance.now();
    do await device.read();
    while (!holds() && performance.now() - startedAt < 20_000);
    expect(holds()).toBe(true);
    return performance.now() - startedAt;
  };

  it("starts a handshake at once with a peer that had none, also when both sides tried in vain", async () => {
    const { lab, a, b } = await twoSides(startLab);
    await using _ = lab;
    await using device = await openDevice(lab, a.host);
    // Each ping starts a handshake that has nowhere to go, and the next may start 5 s later.
    const vain = [
      a.host.tryRun(["ping", "-c4", "-i0.3", "-W0.1", b.overlay]),
      b.host.tryRun(["ping", "-c4", "-i0.3", "-W0.1", a.overlay]),
    ];
    await Promise.all(vain);
    const startedAt = performance.now();
    await device.use(b.publicKey, b.endpoint, { isFresh: true });
    await until(device, () => peerOf(device, b).lastHandshake !== undefined);
    const tookMs = performance.now() - startedAt;
    expect(tookMs).toBeLessThan(1_500);
    expect(await a.host.canPing(b.overlay)).toBe(true);
  });

  it("announces a new endpoint in an idle session at once, and keeps the session", async () => {
    const { lab, a, b } = await twoSides(startLab);
    await using _ = lab;
    await using device = await openDevice(lab, a.host);
    await using other = await openDevice(lab, b.host);
    await device.use(b.publicKey, b.endpoint, { isFresh: true });
    await until(device, () => peerOf(device, b).lastHandshake !== undefined);
    const handshake = peerOf(device, b).lastHandshake;
    await until(other, () => peerOf(other, a).endpoint?.family === 4);
    await device.use(b.publicKey, endpoint(b.host.address6(), 51_820), { isFresh: false });
    const tookMs = await until(other, () => peerOf(other, a).endpoint?.family === 6);
    expect(tookMs).toBeLessThan(3_000);
    await device.read();
    expect(peerOf(device, b)).toMatchObject({ lastHandshake: handshake, keepaliveS: 25 });
  });

  it("does not bring back a peer, or an allowed IP, that the user has taken away", async () => {
    const { lab, a, b } = await twoSides(startLab);
    await using _ = lab;
    await using device = await openDevice(lab, a.host);
    await a.wireguard.set("peer", b.publicKey, "allowed-ips", "10.9.0.2/32");
    await device.use(b.publicKey, b.endpoint, { isFresh: true });
    await device.read();
    expect(peerOf(device, b).allowedIps).toHaveLength(1);
    for (const isFresh of [true, false]) {
      await a.wireguard.set("peer", b.publicKey, "remove");
      await expect(device.use(b.publicKey, b.endpoint, { isFresh })).rejects.toMatchObject({
        code: "NO_PEER",
      });
      expect((await device.read()).peers).toEqual([]);
      await a.wireguard.set("peer", b.publicKey, "allowed-ips", "10.9.0.2/32");
    }
  });

  describe("puts everything back", () => {
    const change = async (device: Device, b: Side): Promise<void> => {
      await device.installTable(51_990);
      await device.use(b.publicKey, b.endpoint, { isFresh: true });
      await until(device, () => peerOf(device, b).lastHandshake !== undefined);
      await device.use(b.publicKey, b.endpoint, { isFresh: false });
    };

    it.each([
      ["a peer without an endpoint", []],
      ["a peer with a preshared key", ["preshared-key", "PRESHARED"]],
      ["an endpoint and a keepalive", ["endpoint", "192.0.2.7:1000", "persistent-keepalive", "17"]],
      ["an endpoint with a zone", ["endpoint", "[fe80::7%eth0]:1000"]],
    ])("%s", async (_name, words) => {
      const { lab, a, b } = await twoSides(startLab);
      await using _ = lab;
      if (words[0] === "preshared-key") {
        for (const [side, other] of [
          [a, b],
          [b, a],
        ] as const)
          await side.host.run([
            "sh",
            "-c",
            `echo ${PRESHARED} | wg set ${side.host.interface} peer ${other.publicKey} preshared-key /dev/stdin`,
          ]);
      } else await a.wireguard.set("peer", b.publicKey, ...words);
      await a.host.run([
        "nft",
        "add table inet users; add chain inet users in { type filter hook input priority 0; }",
      ]);
      const before = await snapshot(a.host);
      const device = await openDevice(lab, a.host);
      await change(device, b);
      expect(await snapshot(a.host)).not.toBe(before);
      await device.close();
      expect(await snapshot(a.host)).toBe(before);
    });
  });

  it("puts back what WireGuard learned of a peer that came first", async () => {
    const { lab, a, b } = await twoSides(startLab);
    await using _ = lab;
    const before = await snapshot(a.host);
    const device = await openDevice(lab, a.host);
    await b.wireguard.set("peer", a.publicKey, "endpoint", formatEndpoint(a.endpoint));
    expect(await b.host.canPing(a.overlay)).toBe(true);
    await until(device, () => peerOf(device, b).endpoint !== undefined);
    expect(await snapshot(a.host)).not.toBe(before);
    // What it still sends would be learned again.
    await b.wireguard.set("peer", a.publicKey, "remove");
    await device.close();
    expect(await snapshot(a.host)).toBe(before);
  });

  it("keeps a keepalive that is shorter than ours", async () => {
    const { lab, a, b } = await twoSides(startLab);
    await using _ = lab;
    await using device = await openDevice(lab, a.host);
    for (const [own, used] of [
      ["7", 7],
      ["40", 25],
    ] as const) {
      await a.wireguard.set("peer", b.publicKey, "persistent-keepalive", own);
      await device.use(b.publicKey, b.endpoint, { isFresh: false });
      await device.read();
      expect(peerOf(device, b).keepaliveS).toBe(used);
    }
  });

  it("restores the table when somebody deletes it, and moves it with WireGuard's port", async () => {
    const { lab, a } = await twoSides(startLab);
    await using _ = lab;
    await using device = await openDevice(lab, a.host);
    const table = async (): Promise<string> => (await a.host.tryRun(["nft", "list", "ruleset"])).stdout;
    await device.installTable(51_990);
    expect(await table()).toContain("udp sport 51990 udp sport set 51820");
    await a.host.run(["nft", "flush", "ruleset"]);
    await once(device, "wake");
    expect(await table()).toContain("udp sport 51990 udp sport set 51820");
    await a.wireguard.set("listen-port", "51821");
    await a.host.run(["ip", "addr", "add", "203.0.113.201/24", "dev", "eth0"]);
    await once(device, "wake");
    expect(await table()).toContain("udp sport 51990 udp sport set 51821");
  });

  describe("undoes at the next end what a killed run has changed", () => {
    const start = (lab: Lab, host: Host, to: string): LongRunning => {
      const args = ["--import", "tsx", PROGRAM, host.interface, lab.folder, to];
      return host.spawn([process.execPath, ...args]);
    };

    it.each(["ready", 0, 15, 30, 45])("killed when it is %s (ms after it begins)", async (when) => {
      const { lab, a, b } = await twoSides(startLab);
      await using _ = lab;
      const before = await snapshot(a.host);
      const killed = start(lab, a.host, formatEndpoint(b.endpoint));
      if (typeof when === "string") await killed.wrote(/^ready/m);
      else {
        await killed.wrote(/^begins/m);
        await delay(when);
      }
      await killed.kill();
      const next = start(lab, a.host, "adopt");
      await next.wrote(/^ready/m);
      next.write("close\n");
      await next.wrote(/^closed/m);
      expect(await snapshot(a.host)).toBe(before);
    });
  });

  describe("leaves what the user changes meanwhile", () => {
    interface Row {
      readonly name: string;
      readonly words: readonly string[];
      readonly left: Partial<DevicePeer> | undefined;
    }

    const NONE = { endpointText: undefined, keepaliveS: 0 };
    it.each<Row>([
      { name: "a peer that is removed", words: ["remove"], left: undefined },
      { name: "a keepalive", words: ["persistent-keepalive", "11"], left: { ...NONE, keepaliveS: 11 } },
      {
        name: "allowed IPs",
        words: ["allowed-ips", "10.9.0.77/32"],
        left: { ...NONE, allowedIps: [{ address: Uint8Array.of(10, 9, 0, 77), bits: 32 }] },
      },
    ])("$name", async ({ words, left }) => {
      const { lab, a, b } = await twoSides(startLab);
      await using _ = lab;
      const device = await openDevice(lab, a.host);
      // Nobody answers there: WireGuard receives nothing, and does not move the endpoint itself.
      await device.use(b.publicKey, endpoint("192.0.2.1", 1), { isFresh: true });
      await a.wireguard.set("peer", b.publicKey, ...words);
      if (left === undefined)
        await expect(device.use(b.publicKey, b.endpoint, { isFresh: false })).rejects.toMatchObject({
          code: "NO_PEER",
        });
      await device.close();
      const { peers } = parseDump(a.host.interface, await a.wireguard.show("dump"));
      expect(peers).toEqual(left === undefined ? [] : [expect.objectContaining(left)]);
    });
  });

  describe("says what is wrong", () => {
    it.each<[code: string, name: string, words: RegExp, prepare: (a: Side) => Promise<unknown>]>([
      ["NO_INTERFACE", "nowhere", /there is no interface nowhere/, async () => {}],
      ["NO_INTERFACE", "eth0", /eth0 is not an interface of WireGuard, but of the kind veth/, async () => {}],
      ["INVALID_OPTION", "../wg0", /a name of 1 to 15 letters/, async () => {}],
      ["INVALID_OPTION", "-h", /a name of 1 to 15 letters/, async () => {}],
      ["NOT_CONFIGURED", "", /has no private key/, (a) => a.wireguard.set("private-key", "/dev/null")],
      [
        "NOT_CONFIGURED",
        "",
        /is down/,
        (a) => a.host.run(["ip", "link", "set", "dev", a.host.interface, "down"]),
      ],
      [
        "CONFLICT",
        "",
        /the overlay 198\.51\.0\.0\/16 covers addresses of eth0 \(198\.51\.100\..*choose another range/,
        (a) => a.host.run(["ip", "addr", "add", "198.51.77.1/16", "dev", a.host.interface]),
      ],
      [
        "LOW_ORDER_KEY",
        "",
        /peer A{43}=: a key of low order.* Remove this peer/,
        (a) => a.wireguard.set("peer", `${"A".repeat(43)}=`),
      ],
    ])("%s %s %s", async (code, name, words, prepare) => {
      const { lab, a } = await twoSides(startLab);
      await using _ = lab;
      await prepare(a);
      const before = await snapshot(a.host);
      const opening = openDevice(lab, a.host, name === "" ? {} : { name });
      await expect(opening).rejects.toMatchObject({ code, message: expect.stringMatching(words) });
      expect(await snapshot(a.host)).toBe(before);
      // Nothing is locked.
      await expect(openDevice(lab, a.host, name === "" ? {} : { name })).rejects.toMatchObject({ code });
    });

    it("that another one looks after it, and that it may not", async () => {
      const { lab, a } = await twoSides(startLab);
      await using _ = lab;
      await using device = await openDevice(lab, a.host);
      await expect(openDevice(lab, a.host)).rejects.toMatchObject({
        code: "IN_USE",
        message: expect.stringContaining(`process ${process.pid}`),
      });
      await device.close();
      const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"];
      const programs = new Programs({ prefix: a.host.namespace.command(nobody) });
      await expect(openDevice(lab, a.host, { programs })).rejects.toMatchObject({ code: "NOT_PERMITTED" });
      await expect(device.read()).rejects.toMatchObject({ code: "CLOSED" });
    });
  });
});
