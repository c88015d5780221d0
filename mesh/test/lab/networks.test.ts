import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Host, Lab } from "../../lab/index.js";
import { withLab } from "../support/needs.js";
import { UdpPeer } from "../support/udp-peer.js";

const PORT = 51_820;
const SERVER = "203.0.113.1";

async function open(host: Host): Promise<UdpPeer> {
  return await UdpPeer.open(host, host.address(), PORT);
}

/** How many of some pings are answered. */
async function answered(
  host: Host,
  to: string,
  count: number,
  ...options: readonly string[]
): Promise<number> {
  const words = ["-n", "-q", `-c${count}`, "-i0.002", "-W0.3", ...options, to];
  const { stdout } = await host.tryRun(["ping", ...words]);
  return Number(/(\d+) received/.exec(stdout)?.[1]);
}

/** Waits until a NAT box knows of no UDP any more. */
async function untilForgotten(lab: Lab, nat: string): Promise<void> {
  const tables = "conntrack -L -p udp; nft list table ip box | grep expires";
  while ((await lab.nat(nat).namespace.tryRun(["sh", "-c", tables])).stdout !== "") await delay(50);
}

withLab("networks of a lab", (startLab) => {
  it.each([
    { kind: "full-cone", first: true },
    { kind: "address-restricted", first: false },
    { kind: "port-restricted", first: false },
    { kind: "port-shifting", first: false },
  ] as const)("have a hairpin, which filters as $kind does, or none", async ({ kind, first }) => {
    for (const hairpin of [true, false]) {
      await using lab = await startLab({
        nats: { a: { kind, hairpin } },
        hosts: { one: { behind: "a" }, two: { behind: "a" } },
        stun: true,
      });
      const outside = await UdpPeer.open(lab.middle, SERVER, 5000);
      const [one, two] = await Promise.all([open(lab.host("one")), open(lab.host("two"))]);
      const atOne = await one.reach(outside);
      const atTwo = await two.reach(outside);
      const early = one.send(atTwo);
      await one.sent(early);
      const late = two.send(atOne);
      await two.sent(late);
      if (hairpin) {
        expect(await one.got(late)).toEqual(atTwo);
        expect(await one.reach(two, atTwo)).toEqual(atOne);
      } else {
        // What came after it came through.
        await outside.reach(one, atOne);
        expect(one.has(late)).toBe(false);
      }
      await outside.reach(two, atTwo);
      expect(two.has(early)).toBe(hairpin && first);
    }
  });

  it("lose as many packets as they are told, or all, and are mended", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" } },
      hosts: { ha: { behind: "a" }, hb: {} },
    });
    const [host, to] = [lab.host("ha"), lab.host("hb").address()];
    await lab.nat("a").link.impair({ loss: 0.5 });
    // Half of them, there and back: 75 of 300 on average, and 7.5 is a standard deviation.
    const few = await answered(host, to, 300);
    expect(few).toBeGreaterThan(30);
    expect(few).toBeLessThan(120);
    await lab.nat("a").link.cut();
    expect(await answered(host, to, 10)).toBe(0);
    await lab.nat("a").link.mend();
    expect(await answered(host, to, 50)).toBe(50);
    // At once, 1400 bytes each: with 1 Mbit/s a burst of 16 kB and 50 ms of a queue pass.
    await lab.host("hb").link().impair({ rate: 1_000_000 });
    expect(await answered(host, to, 100, "-s1400", "-l100")).toBeLessThan(60);
    await lab.host("hb").link().mend();
    expect(await answered(host, to, 50, "-s1400")).toBe(50);
  });

  it("delay packets, of both families, to the middle and through it", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" } },
      hosts: { ha: { behind: "a" }, hb: {} },
      family: "both",
      stun: true,
    });
    const [ha, hb] = [lab.host("ha"), lab.host("hb")];
    const fastest = async (to: string, ...words: readonly string[]): Promise<number> => {
      const out = await ha.run(["ping", "-n", "-q", "-c8", "-i0.02", ...words, to]);
      return Number(/= ([\d.]+)\//.exec(out)?.[1]);
    };
    const all = [SERVER, "2001:db8:ffff::1", hb.address(), hb.address6()];
    await lab.nat("a").link.impair({ delay: 60 });
    for (const to of all) {
      const time = await fastest(to, "-s1472");
      expect(time, to).toBeGreaterThanOrEqual(60);
      expect(time, to).toBeLessThan(100);
    }
    await hb.link().impair({ delay: 50 });
    expect(await fastest(hb.address())).toBeGreaterThanOrEqual(110);
    expect(await fastest(SERVER)).toBeLessThan(100);
    await lab.nat("a").link.mend();
    await hb.link().mend();
    for (const to of all) expect(await fastest(to), to).toBeLessThan(40);
    await expect(ha.link().impair({ delay: 1 })).rejects.toThrow("only a link that ends in the middle");
  });

  it("forget as soon as they are told", async () => {
    await using lab = await startLab({
      nats: {
        a: { kind: "port-restricted", timeouts: { unreplied: 1, stream: 2 } },
        b: { kind: "full-cone", timeouts: { unreplied: 1, stream: 2 } },
      },
      hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
      stun: true,
    });
    const near = await UdpPeer.open(lab.middle, SERVER, 5000);
    const later = await UdpPeer.open(lab.middle, SERVER, 5001);
    for (const nat of ["a", "b"]) {
      const inside = await open(lab.host(`h${nat}`));
      const at = await inside.reach(near);
      await near.reach(inside, at);
      const since = performance.now();
      await untilForgotten(lab, nat);
      const elapsed = performance.now() - since;
      expect(elapsed).toBeGreaterThan(900);
      expect(elapsed).toBeLessThan(10_000);
      const text = near.send(at);
      await near.sent(text);
      // The NAT itself takes a new flow as ever.
      await later.reach(inside, await inside.reach(later));
      expect(inside.has(text)).toBe(false);
    }
  });

  it("forget when a NAT is told to, and come back by another outside address", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "full-cone" } },
      hosts: { ha: { behind: "a" } },
      stun: true,
    });
    const [near, far] = await Promise.all(
      [SERVER, "203.0.113.2"].map(async (address) => await UdpPeer.open(lab.middle, address, 5000)),
    );
    const inside = await open(lab.host("ha"));
    if (near === undefined || far === undefined) throw new Error("no sockets");
    const at = await inside.reach(near);
    await lab.nat("a").forget();
    const lost = far.send(at);
    await far.sent(lost);
    expect(await inside.reach(near)).toEqual(at);
    await near.reach(inside, at);
    expect(inside.has(lost)).toBe(false);

    const before = await lab.host("ha").run(["sh", "-c", "ip addr; ip route"]);
    const address = await lab.nat("a").changeAddress();
    expect(lab.nat("a").outside).toEqual([address]);
    expect(await inside.reach(near)).toEqual({ address, port: PORT });
    await far.reach(inside, { address, port: PORT });
    expect(address).not.toBe(at.address);
    expect(await lab.host("ha").run(["sh", "-c", "ip addr; ip route"])).toBe(before);
    expect(await lab.host("ha").canPing(at.address)).toBe(false);
  });

  it("have NATs behind NATs, in both families", async () => {
    await using lab = await startLab({
      nats: {
        provider: { kind: "port-restricted" },
        home: { kind: "port-shifting", behind: "provider" },
        room: { kind: "full-cone", behind: "home" },
      },
      hosts: { ha: { behind: "room" }, hb: { behind: "provider" }, hc: {} },
      family: "both",
      stun: true,
    });
    const near = await UdpPeer.open(lab.middle, SERVER, 5000);
    const far = await UdpPeer.open(lab.middle, "203.0.113.2", 5000);
    const inside = await open(lab.host("ha"));
    const at = await inside.reach(near);
    expect(at.address).toBe(lab.nat("provider").outside[0]);
    expect(await inside.reach(far)).toEqual(at);
    await near.reach(inside, at);
    for (const other of ["hb", "hc"])
      expect(await lab.host("ha").canPing(lab.host(other).address6())).toBe(true);
    expect(await lab.host("hc").canPing(lab.host("ha").address6())).toBe(false);
    await lab.nat("home").link.cut();
    expect(await lab.host("ha").canPing(SERVER)).toBe(false);
    expect(await lab.host("hb").canPing(SERVER)).toBe(true);
  });

  it.each(["IPv4", "IPv6"] as const)("have hosts with several uplinks, over %s", async (family) => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" }, b: { kind: "port-restricted" } },
      hosts: {
        mobile: { behind: ["a", "b"], down: ["eth1"] },
        ruled: { behind: ["a", "internet"], sourceRules: true },
      },
      family,
      stun: true,
    });
    const server = family === "IPv4" ? SERVER : "2001:db8:ffff::1";
    const near = await UdpPeer.open(lab.middle, server, 5000);
    const [mobile, ruled] = [lab.host("mobile"), lab.host("ruled")];
    const any = family === "IPv4" ? "0.0.0.0" : "::";
    const own = (host: Host, device: string): string =>
      family === "IPv4" ? host.address(device) : host.address6(device);
    const outside = (nat: string, device: string): string =>
      family === "IPv4" ? (lab.nat(nat).outside[0] ?? "") : own(mobile, device);

    const socket = await UdpPeer.open(mobile, any, PORT);
    expect((await socket.reach(near)).address).toBe(outside("a", "eth0"));
    await mobile.up("eth1");
    expect((await socket.reach(near)).address).toBe(outside("a", "eth0"));
    await mobile.down("eth0");
    expect((await socket.reach(near)).address).toBe(outside("b", "eth1"));
    await mobile.up("eth0");
    expect((await socket.reach(near)).address).toBe(outside("a", "eth0"));

    const first = await UdpPeer.open(ruled, own(ruled, "eth0"), PORT);
    const second = await UdpPeer.open(ruled, own(ruled, "eth1"), PORT);
    expect((await first.reach(near)).address).toBe(
      family === "IPv4" ? lab.nat("a").outside[0] : own(ruled, "eth0"),
    );
    expect((await second.reach(near)).address).toBe(own(ruled, "eth1"));
  });
});
