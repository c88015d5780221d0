import { expect, it } from "vitest";
import { atOurPace } from "../../../test/support/pace.js";
import type { Host, LongRunning } from "../../lab/index.js";
import type { PeerInfo } from "../../src/info.js";
import { parseEndpoint } from "../../src/ip/endpoint.js";
import { Daemon } from "../support/daemon.js";
import { type End, errorsOf, type Flow, forge } from "../support/forged-icmp.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { withRawPackets } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

const SENDER = new URL("../support/raw-sender.py", import.meta.url).pathname;
const STREAM = new URL("../../bench/stream.mjs", import.meta.url).pathname;
/** Forged packets a second, to each of the two. */
const PER_SECOND = 400;
/** Of a packet that fills the tunnel's MTU of 1420: without the headers of IPv4 and ICMP, bytes. */
const WHOLE = 1392;

const isDirect = ({ state }: PeerInfo): boolean => state === "direct";

/** Somebody who sends whole packets, in a process of its own. */
class Forger {
  readonly #process: LongRunning;

  private constructor(process: LongRunning) {
    this.#process = process;
  }

  static async start(host: Host): Promise<Forger> {
    const process = host.spawn(["python3", SENDER]);
    await process.wrote(/^ready$/m);
    return new Forger(process);
  }

  send(packets: readonly string[], times: number, perSecond: number = PER_SECOND): void {
    this.#process.write(`${JSON.stringify({ packets, times, perSecond })}\n`);
  }

  get sent(): number[] {
    return Array.from(this.#process.log.matchAll(/^sent (\d+)$/gm), ([, count]) => Number(count));
  }
}

/** Packets of full length, both ways. @returns how many of them were answered */
async function wholePackets(pair: readonly [Member, Member]): Promise<number[]> {
  return await Promise.all(
    pair.map(async ({ host }, i) => {
      const { address = "" } = pair[1 - i] ?? {};
      const options = ["-n", "-q", "-c40", "-i0.1", "-W2", "-Mdo", `-s${WHOLE}`];
      const { stdout } = await host.tryRun(["ping", ...options, address]);
      return Number(/(\d+) received/.exec(stdout)?.[1] ?? Number.NaN);
    }),
  );
}

/** One TCP stream through the tunnel for a second. @returns bytes a second */
async function streamed([one, other]: readonly [Member, Member]): Promise<number> {
  const receiver = other.host.node(STREAM, ["receive", other.address]);
  const [, port = ""] = await receiver.wrote(/^port (\d+)$/m);
  one.host.node(STREAM, ["send", other.address, port, "1"]);
  const [, bytes] = await receiver.wrote(/^received (\S+) B\/s$/m);
  return Number(bytes);
}

async function endpointOf(daemon: Daemon, { publicKey }: Member): Promise<End> {
  const { peers } = await daemon.status();
  const peer = peers.find((one) => one.publicKey === publicKey);
  return parseEndpoint(peer?.path?.endpoint ?? "") ?? expect.fail("it has no endpoint");
}

withRawPackets("forged ICMP errors", (startLab) => {
  it.each(["IPv4", "IPv6"] as const)(
    "from anywhere cost two hosts over %s neither their path nor packets of full length",
    async (family) => {
      await using lab = await startLab({
        family,
        nats: { b: { kind: "port-restricted" } },
        hosts: { ha: {}, hb: { behind: "b" }, hx: {} },
        brokers: 1,
        stun: true,
      });
      const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
      if (ha === undefined || hb === undefined) throw new Error("no members");
      const pair = [ha, hb] as const;
      const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
      await Promise.all([da.until(hb.publicKey, isDirect), db.until(ha.publicKey, isDirect)]);
      const ping = PingStream.start(ha.host, hb.address);
      await ping.answerAfter(Date.now());
      expect(Math.min(...(await wholePackets(pair)))).toBeGreaterThan(36);
      const before = await streamed(pair);

      const [a, b] = [await endpointOf(db, ha), await endpointOf(da, hb)];
      const hx = lab.host("hx");
      const own = family === "IPv4" ? hx.address() : hx.address6();
      const forger = await Forger.start(hx);
      const flows: Flow[] = [
        { from: a, to: b },
        { from: b, to: a },
      ];
      const errors = errorsOf(family === "IPv4" ? 4 : 6, own);
      const packets = errors.flatMap((error) => flows.map((flow) => forge(own, flow, error)));
      const since = Date.now();
      const times = Math.ceil((PER_SECOND * 8) / packets.length);
      forger.send(packets, times);
      await expect.poll(() => ping.answers().some((at) => at > since + 500)).toBe(true);
      const whole = await wholePackets(pair);
      await expect.poll(() => forger.sent, { timeout: 30_000 }).toEqual([times * packets.length]);
      const until = await ping.answerAfter(Date.now());
      const gap = ping.longestGap(since, until);
      // What the kernel makes of it: packets outside go in pieces, for ten minutes.
      const route = await ha.host.run(["ip", "route", "get", b.address]);
      const after = await streamed(pair);
      const rates = [before, after].map((rate) => `${((rate * 8) / 1e6).toFixed(0)} Mbit/s`);
      console.log(
        `${times * packets.length} packets, longest gap ${gap} ms; ${rates.join(", then ")}; ${route}`,
      );
      expect(route).toMatch(family === "IPv4" ? /mtu (?:lock )?552/ : /mtu 1280/);
      // All of them, but for what a busy machine loses.
      expect(Math.min(...whole)).toBeGreaterThan(36);
      expect(after).toBeGreaterThan(before / 20);
      expect(gap).toBeLessThan(atOurPace(1000));
      expect([await endpointOf(db, ha), await endpointOf(da, hb)]).toEqual([a, b]);
      expect(da.last(hb.publicKey)?.state).toBe("direct");
      await ping.stop();
    },
    180_000,
  );

  it("by which a neighbour leads packets to itself, and drops them, cost a path as a cut cable does", async () => {
    await using lab = await startLab({
      nats: { a: { kind: "port-restricted" }, b: { kind: "port-restricted" } },
      hosts: { ha: { behind: "a" }, hs: { behind: "a" }, hb: { behind: "b" }, hr: {} },
      brokers: 1,
      stun: true,
    });
    const { ha, hb, hr } = await makeMembers(lab, ["ha", "hb", "hr"]);
    if (ha === undefined || hb === undefined || hr === undefined) throw new Error("no members");
    // Where redirects are believed, as most distributions have it.
    await ha.host.namespace.set({ sysctls: [["net/ipv4/conf/*/accept_redirects", 1]] });
    Daemon.start(lab, hr.host, hr.wireguard, { more: ["--relay"] });
    const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
    await Promise.all([da.until(hb.publicKey, isDirect), db.until(ha.publicKey, isDirect)]);
    await da.until(hr.publicKey, isDirect);
    const ping = PingStream.start(ha.host, hb.address);
    await ping.answerAfter(Date.now());

    const b = await endpointOf(da, hb);
    const hs = lab.host("hs");
    const flow = { from: { address: ha.host.address(), port: 51_820 }, to: b };
    const [redirect = expect.fail("no redirect")] = errorsOf(4, hs.address()).filter(
      ({ type }) => type === 5,
    );
    const forger = await Forger.start(hs);
    const since = Date.now();
    // In the gateway's name: no other is believed.
    forger.send([forge("192.168.1.1", flow, redirect)], 200, 20);
    const route = async (): Promise<string> => await ha.host.run(["ip", "route", "get", b.address]);
    await expect.poll(route, { timeout: 5000 }).toContain(`via ${hs.address()}`);
    await da.until(hb.publicKey, ({ state }) => state === "relayed", 30_000);
    const back = await ping.answerAfter(Date.now(), 10_000);
    const gap = ping.longestGap(since, back);
    console.log(`relayed after ${Math.round(back - since)} ms, longest gap ${gap} ms`);
    expect(gap).toBeLessThan(atOurPace(15_000));
    await ping.stop();
  }, 90_000);
});
