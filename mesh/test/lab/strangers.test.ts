import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import type { Host, Lab, LongRunning } from "../../lab/index.js";
import { StunType, writeStun } from "../../src/probe/stun-message.js";
import { Daemon } from "../support/daemon.js";
import { memoryOf } from "../support/memory.js";
import { makeMembers } from "../support/mesh-lab.js";
import { withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

const PROGRAM = fileURLToPath(new URL("../support/stranger-program.mjs", import.meta.url));

const PORT = 51_820;

/** The types of a request and of an answer, in hexadecimal. */
const [REQUEST, ANSWER] = ["0001", "0101"];

/** Of the daemon while it is flooded, MiB. */
const MAX_GROWTH = 8;

type Packet = readonly [hex: string, address: string, port: number];

/** A host that knows no key of a pair, and sees and repeats what it can. */
class Stranger {
  readonly #process: LongRunning;
  #floods = 0;

  private constructor(process: LongRunning) {
    this.#process = process;
  }

  static async start(lab: Lab, host: Host): Promise<Stranger> {
    const broker = lab.brokers[0]?.address.IPv4 ?? "";
    const process = host.node(PROGRAM, [host.address(), `${PORT}`, broker]);
    await process.wrote(/^ready$/m);
    return new Stranger(process);
  }

  /** What came from a host that begins with this, in order. */
  got(host: Host, type: string): string[] {
    const lines = this.#process.log.matchAll(/^got (\S+) \d+ (\w+)$/gm);
    return Array.from(lines).flatMap(([, from, hex = ""]) =>
      from === host.address() && hex.startsWith(type) ? [hex] : [],
    );
  }

  /** What was published, in order. */
  heard(): [topic: string, hex: string][] {
    return Array.from(this.#process.log.matchAll(/^heard (\S+) (\w+)$/gm), ([, topic = "", hex = ""]) => [
      topic,
      hex,
    ]);
  }

  send(what: object): void {
    this.#process.write(`${JSON.stringify(what)}\n`);
  }

  async flood(packets: readonly Packet[], perSecond: number, ms: number): Promise<number> {
    this.send({ flooding: { packets, perSecond, ms } });
    const [, sent] = await this.#process.wrote(
      new RegExp(`(?:^flooded with (\\d+)$[^]*?){${++this.#floods}}`, "m"),
    );
    return Number(sent);
  }
}

/** The transaction of a message, by which an answer is known. */
const transactionOf = (hex: string): string => hex.slice(16, 40);

/** A message with one bit turned, for each of its bytes. */
function mutations(hex: string): string[] {
  return Array.from({ length: hex.length / 2 }, (_, i) => {
    const bytes = Buffer.from(hex, "hex");
    bytes[i] = (bytes[i] ?? 0) ^ (1 << (i % 8));
    return bytes.toString("hex");
  });
}

const foreign = (): string =>
  Buffer.from(writeStun(StunType.BindingRequest, randomBytes(12), [])).toString("hex");

withLab("strangers", (startLab) => {
  it("get no answer from WireGuard's port, and neither memory nor the path of the peer", async () => {
    await using lab = await startLab({ hosts: { ha: {}, hb: {}, hx: {} }, brokers: 1, stun: true });
    const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
    if (ha === undefined || hb === undefined) throw new Error("the lab has no such hosts");
    const hx = lab.host("hx");
    const stranger = await Stranger.start(lab, hx);
    // Whoever named it: what is meant for the peer comes to the stranger, too.
    await ha.wireguard.set("peer", hb.publicKey, "endpoint", `${hx.address()}:${PORT}`);
    const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
    await da.until(hb.publicKey, ({ state }) => state === "direct");
    const { path } = await db.until(ha.publicKey, ({ state }) => state === "direct");
    while (stranger.got(ha.host, REQUEST).length < 3) await delay(10);
    const [spoilt = "", first = "", second = ""] = stranger.got(ha.host, REQUEST);
    const atHb = (hex: string): Packet => [hex, hb.host.address(), PORT];

    // What the key did not sign is nothing, also beside what it did: that one is answered, and alone.
    const scan = [...Array.from({ length: 20 }, foreign), ...mutations(spoilt)];
    stranger.send({ packets: [...scan, first].map(atHb) });
    while (stranger.got(hb.host, ANSWER).length < 1) await delay(10);
    expect(stranger.got(hb.host, ANSWER).map(transactionOf)).toEqual([transactionOf(first)]);
    // Again it is a replay, there and where it came from.
    const again = Array.from({ length: 20 }, () => first);
    stranger.send({ packets: again.map((hex) => [hex, ha.host.address(), PORT]) });
    stranger.send({ packets: [...again, second].map(atHb) });
    while (stranger.got(hb.host, ANSWER).length < 2) await delay(10);
    expect(stranger.got(hb.host, ANSWER).map(transactionOf)).toEqual([first, second].map(transactionOf));
    expect(stranger.got(ha.host, ANSWER)).toEqual([]);

    const ping = PingStream.start(ha.host, hb.address);
    const startedAt = await ping.answerAfter(Date.now());
    const packets = [...Array.from({ length: 100 }, foreign), ...mutations(spoilt), first, second].map(atHb);
    const warm = await stranger.flood(packets, 2000, 3000);
    expect(warm).toBeGreaterThan(1000);
    const before = memoryOf(db.process.pid);
    await stranger.flood(packets, 2000, 10_000);
    expect(memoryOf(db.process.pid) - before).toBeLessThan(MAX_GROWTH);
    expect(stranger.got(hb.host, ANSWER)).toHaveLength(2);
    expect(ping.longestGap(startedAt)).toBeLessThan(1000);
    await ping.stop();
    expect((await db.status()).peers).toMatchObject([
      { state: "direct", path: { endpoint: path?.endpoint } },
    ]);
  });

  it("change nothing when they publish again what they have recorded", async () => {
    await using lab = await startLab({ hosts: { ha: {}, hb: {}, hc: {}, hx: {} }, brokers: 1, stun: true });
    const { ha, hb, hc } = await makeMembers(lab, ["ha", "hb", "hc"]);
    if (ha === undefined || hb === undefined || hc === undefined)
      throw new Error("the lab has no such hosts");
    const stranger = await Stranger.start(lab, lab.host("hx"));
    const stateFolder = `${lab.folder}/state-hb`;
    const start = (): Daemon => Daemon.start(lab, hb.host, hb.wireguard, { stateFolder });
    const heard = (daemon: Daemon, { publicKey }: { publicKey: string }): boolean =>
      daemon.process.log.includes(`"step":"heard","publicKey":"${publicKey}"`);
    const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), start()];
    await db.until(ha.publicKey, ({ state }) => state === "direct");
    expect(heard(db, ha)).toBe(true);
    await Promise.all([da.stop(), db.stop()]);
    const recorded = stranger.heard();
    expect(recorded.length).toBeGreaterThan(0);

    const repeatTo = async (daemon: Daemon): Promise<void> => {
      await daemon.ready();
      while (!(await daemon.status()).brokers.some(({ state }) => state === "open")) await delay(20);
      const before = stranger.heard().length;
      stranger.send({ publishes: recorded });
      while (stranger.heard().length < before + recorded.length) await delay(20);
    };
    // It has forgotten what came in, but for what it wrote down.
    const later = start();
    await repeatTo(later);
    // Whatever the broker passed on before has been looked at when this is.
    Daemon.start(lab, hc.host, hc.wireguard);
    await later.until(hc.publicKey, ({ state }) => state === "direct");
    expect([heard(later, hc), heard(later, ha)]).toEqual([true, false]);
    await later.stop();
    // Without that it would be believed: so what is repeated does come in.
    const forgetful = Daemon.start(lab, hb.host, hb.wireguard);
    await repeatTo(forgetful);
    while (!heard(forgetful, ha)) await delay(20);
  });
});
