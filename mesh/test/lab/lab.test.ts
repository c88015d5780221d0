import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseBrokerPool } from "sidewire";
import { expect, it, onTestFinished } from "vitest";
import { makeKeys } from "../../lab/index.js";
import { withLab } from "../support/needs.js";

const TWO_NATS = {
  nats: { a: { kind: "port-restricted" }, b: { kind: "symmetric" } },
  hosts: { ha: { behind: "a" }, hb: { behind: "b" }, hc: {} },
} as const;

const TSX = join(dirname(createRequire(import.meta.url).resolve("tsx/package.json")), "dist/cli.mjs");
const LEAVER = fileURLToPath(new URL("../support/lab-leaver.ts", import.meta.url));

/** What labs of a process have left on the machine. */
function remains(pid: number): string[] {
  const list = (folder: string): string[] => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  };
  const isOurs = (name: string): boolean =>
    name.startsWith(`sidewire-lab-${pid}-`) || name.startsWith(`sw${pid.toString(36)}L`);
  return ["/run/netns", "/var/run/wireguard", tmpdir()].flatMap(list).filter(isOurs);
}

/** Whether a process runs. One that has ended may stay in the table for a while, without a command line. */
function isRunning(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8") !== "";
  } catch {
    return false;
  }
}

/** Whether a program in a host connects to a port. */
const CONNECT = `
const [host, port] = process.argv.slice(1);
require("node:net").connect(Number(port), host, () => process.exit(0)).on("error", () => process.exit(1));
setTimeout(() => process.exit(2), 5000);`;

withLab("a lab", (startLab) => {
  it("connects hosts with the servers in the middle, and not with each other; is gone at its end", async () => {
    {
      await using lab = await startLab({ ...TWO_NATS, family: "both", stun: true });
      const [ha, hb, hc] = [lab.host("ha"), lab.host("hb"), lab.host("hc")];
      for (const host of [ha, hb])
        for (const address of ["203.0.113.1", "2001:db8:ffff::2", hc.address(), hc.address6()])
          expect(await host.canPing(address), `${host.name} ${address}`).toBe(true);
      expect(await ha.canPing(hb.address())).toBe(false);
      expect(await ha.canPing(hb.address6())).toBe(false);
      expect(remains(process.pid)).not.toEqual([]);
    }
    expect(remains(process.pid)).toEqual([]);
  });

  it("has brokers, which can be killed and started again, and a file that names them", async () => {
    await using lab = await startLab({ ...TWO_NATS, brokers: 2, family: "both" });
    const pool = parseBrokerPool(readFileSync(lab.brokersFile, "utf8"));
    const hosts = (["IPv4", "IPv6"] as const).flatMap((family) => Object.keys(pool[family] ?? {}));
    expect(hosts.length).toBe(4);
    const connects = async (host = "", port = 0): Promise<boolean> =>
      (await lab.host("ha").tryRun([process.execPath, "-e", CONNECT, host, `${port}`])).code === 0;
    for (const host of hosts) expect(await connects(host, 1883), host).toBe(true);
    const [broker, other] = lab.brokers;
    await broker?.kill();
    expect(await connects(broker?.address.IPv4, broker?.port)).toBe(false);
    expect(await connects(other?.address.IPv4, other?.port)).toBe(true);
    await broker?.restart();
    expect(await connects(broker?.address.IPv4, broker?.port)).toBe(true);
  });

  it("fails at its end when a packet with an overlay address was seen outside", async () => {
    const lab = await startLab(TWO_NATS);
    await lab.host("ha").tryRun(["ping", "-n", "-c2", "-i0.01", "-W0.1", "10.9.0.2"]);
    await expect(lab[Symbol.asyncDispose]()).rejects.toThrow("a, wan: 2 × 192.168.1.2 → 10.9.0.2 (icmp)");
    expect(remains(process.pid)).toEqual([]);
  });

  it("counts such packets wherever they are seen, of both families, by either address", async () => {
    await using lab = await startLab({ ...TWO_NATS, family: "both", overlay: ["10.77.0.0/16"] });
    const ping = async (host: string, ...words: readonly string[]): Promise<void> =>
      void (await lab.host(host).tryRun(["ping", "-n", "-c1", "-W0.1", ...words]));
    await ping("ha", "10.9.0.2");
    expect(await lab.leaks()).toEqual([]);
    await ping("ha", "10.77.0.2");
    await ping("hc", "10.77.0.2");
    await lab.host("ha").run(["ip", "addr", "add", "10.77.0.1/32", "dev", "lo"]);
    await ping("ha", "-I", "10.77.0.1", "203.0.113.254");
    await lab.watch("fd77::/16");
    await ping("hb", "fd77::2");
    await ping("hc", "fd77::2");
    const seen = (await lab.takeLeaks()).map(({ seenAt, to }) => `${seenAt} → ${to}`).toSorted();
    expect(seen).toEqual([
      "a, wan → 10.77.0.2",
      "a, wan → 203.0.113.254",
      "b, wan → fd77::2",
      "internet, o2 → 10.77.0.2",
      "internet, o2 → fd77::2",
    ]);
    expect(await lab.leaks()).toEqual([]);
  });

  it("watches the overlay addresses of the WireGuard interfaces that it makes", async () => {
    await using lab = await startLab(TWO_NATS);
    const host = lab.host("ha");
    const { privateKey, publicKey } = await makeKeys(host);
    await using wireguard = await host.wireguard({ privateKey, address: ["172.20.1.1/24", "fe80::77/64"] });
    expect(await wireguard.show("public-key")).toBe(`${publicKey}\n`);
    await wireguard.process.kill();
    await host.tryRun(["ping", "-n", "-c1", "-W0.1", "172.20.1.2"]);
    expect((await lab.takeLeaks()).map(({ to }) => to)).toEqual(["172.20.1.2"]);
  });

  it("is one of several side by side", async () => {
    const labs = await Promise.all([1, 2, 3].map(async () => await startLab({ ...TWO_NATS, stun: true })));
    try {
      const interfaces = new Set<string>();
      for (const lab of labs) {
        const host = lab.host("ha");
        expect(await host.canPing("203.0.113.1")).toBe(true);
        const { privateKey } = await makeKeys(host);
        interfaces.add((await host.wireguard({ privateKey, address: "10.9.0.1/24" })).interface);
      }
      expect(interfaces.size).toBe(3);
      for (const name of interfaces) expect(name.length).toBeLessThanOrEqual(15);
      await labs.pop()?.[Symbol.asyncDispose]();
      expect(await labs[0]?.host("hb").canPing("203.0.113.2")).toBe(true);
    } finally {
      for (const lab of labs) await lab[Symbol.asyncDispose]();
    }
    expect(remains(process.pid)).toEqual([]);
  });

  it.each([
    { ending: "exits", signal: undefined },
    { ending: "is killed", signal: "SIGKILL" },
  ] as const)(
    "is gone when its process $ending without ending it, at the next start at the latest",
    async ({ signal }) => {
      const child = spawn(process.execPath, [TSX, LEAVER], { stdio: ["pipe", "pipe", "inherit"] });
      const ended = once(child, "exit");
      onTestFinished(() => void child.kill("SIGKILL"));
      const [line] = await once(createInterface({ input: child.stdout }), "line");
      const { pid, inside }: { pid: number; inside: number } = JSON.parse(`${line}`);
      // The lab's process is tsx' child.
      expect(remains(pid).some((name) => name.endsWith(".sock"))).toBe(true);
      expect(remains(pid).length).toBe(5);
      if (signal !== undefined) process.kill(pid, signal);
      else child.stdin.end("exit\n");
      await ended;
      if (signal !== undefined) {
        expect(remains(pid)).not.toEqual([]);
        await using _next = await startLab({ hosts: { ha: {} } });
        expect(remains(pid)).toEqual([]);
      }
      expect(remains(pid)).toEqual([]);
      expect(isRunning(inside)).toBe(false);
    },
  );

  it.each([
    [{ hosts: { ha: { behind: "b" } } }, "ha is behind b, which is no NAT"],
    [{ hosts: { "h a": {} } }, "h a is no name"],
    [{ hosts: { internet: {} } }, "internet"],
    [{ nats: { a: { kind: "cone" as "open" } }, hosts: {} }, "a is of no kind that there is: cone"],
    [{ nats: { a: { kind: "open", behind: "a" } as const }, hosts: {} }, "a is open behind a NAT"],
    [{ nats: { a: { kind: "full-cone", behind: "a" } as const }, hosts: {} }, "a is behind itself"],
    [{ nats: { a: { kind: "symmetric", hairpin: true } as const }, hosts: {} }, "symmetric has no hairpin"],
  ] as const)("refuses what cannot be built: %j", async (description, message) => {
    await expect(startLab(description)).rejects.toThrow(message);
    expect(remains(process.pid)).toEqual([]);
  });
});
