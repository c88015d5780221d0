import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { Family, Lab, LabDescription, NatKind } from "../../lab/index.js";
import { Daemon } from "../support/daemon.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { type StartLab, withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

/** How long a host stays quiet before its first ping, s; 300 with `LONG=1`. */
const IDLE_S = process.env.LONG === "1" ? 300 : 65;

interface Met {
  readonly lab: Lab;
  readonly ha: Member;
  readonly hb: Member;
  readonly da: Daemon;
  readonly db: Daemon;
}

/** Two hosts that have met, in a lab of this kind; `ha` has a second uplink that may be there. */
async function meet(
  startLab: StartLab,
  description: Partial<LabDescription> = {},
): Promise<Met & AsyncDisposable> {
  const lab = await startLab({
    nats: { a: { kind: "port-restricted" }, a2: { kind: "port-restricted" }, b: { kind: "port-restricted" } },
    hosts: { ha: { behind: ["a", "a2"] }, hb: { behind: "b" } },
    brokers: 2,
    stun: true,
    ...description,
  });
  const { ha, hb } = await makeMembers(lab, ["ha", "hb"]);
  if (ha === undefined || hb === undefined) throw new Error("the lab has no such hosts");
  const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
  await da.until(hb.publicKey, ({ state }) => state === "direct");
  await db.until(ha.publicKey, ({ state }) => state === "direct");
  return { lab, ha, hb, da, db, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

/** How long a ping that never stops has no answer when this happens, ms: from then on, or from what it resolves with. */
async function interruption({ ha, hb }: Met, happens: () => Promise<unknown>): Promise<number> {
  const ping = PingStream.start(ha.host, hb.address);
  await ping.answerAfter(Date.now());
  const startedAt = Date.now();
  const endedAt = await happens();
  const since = typeof endedAt === "number" ? endedAt : startedAt;
  // Answers to what was on its way do not count.
  const back = await ping.answerAfter(since + 200, 60_000);
  await ping.stop();
  return back - since;
}

withLab("a host that moves", { concurrent: true }, (startLab) => {
  it("is back within 5 s when it changes its uplink", async () => {
    await using met = await meet(startLab);
    expect(await interruption(met, () => met.ha.host.down("eth0"))).toBeLessThan(5000);
    // WireGuard follows the first packet from there; what is said of the path follows with the next probe.
    const moved = `${met.lab.nat("a2").outside[0]}:51820`;
    await met.db.until(met.ha.publicKey, ({ path }) => path?.endpoint === moved);
  });

  // T2 of the plan: either side, each family, to a NAT that is as hard, easier or harder.
  it.each<["ha" | "hb", Family, NatKind, NatKind, NatKind]>([
    ["ha", "IPv4", "address-restricted", "symmetric", "address-restricted"],
    ["hb", "IPv4", "address-restricted", "symmetric", "address-restricted"],
    ["ha", "IPv4", "symmetric", "full-cone", "address-restricted"],
    ["hb", "IPv4", "symmetric", "full-cone", "address-restricted"],
    ["ha", "IPv6", "port-restricted", "port-restricted", "port-restricted"],
    ["hb", "IPv6", "port-restricted", "port-restricted", "port-restricted"],
    ["ha", "both", "port-restricted", "address-restricted", "port-restricted"],
    ["hb", "both", "port-restricted", "symmetric", "address-restricted"],
  ])("is back within 5 s when %s moves, %s, from %s to %s, the other one behind %s", async (...where) => {
    const [who, family, from, to, other] = where;
    await using met = await meet(startLab, {
      family,
      nats: { from: { kind: from }, to: { kind: to }, other: { kind: other } },
      hosts: {
        ha: { behind: who === "ha" ? ["from", "to"] : "other" },
        hb: { behind: who === "hb" ? ["from", "to"] : "other" },
      },
    });
    expect(await interruption(met, () => met[who].host.down("eth0"))).toBeLessThan(5000);
  });

  it("is back within 15 s when its outside address changes without any sign", async () => {
    await using met = await meet(startLab);
    const { lab } = met;
    expect(await interruption(met, () => lab.nat("a").changeAddress())).toBeLessThan(15_000);
  });

  it("is back within 15 s when its NAT has forgotten everything", async () => {
    await using met = await meet(startLab);
    expect(await interruption(met, () => met.lab.nat("a").forget())).toBeLessThan(15_000);
  });

  it("keeps its tunnels when all brokers and STUN servers die", async () => {
    await using met = await meet(startLab);
    const { lab } = met;
    await Promise.all(lab.brokers.map((broker) => broker.kill()));
    expect(await interruption(met, () => delay(20_000))).toBeLessThan(21_000);
    expect(met.da.peers().every(({ state }) => state !== "lost")).toBe(true);
    // The outside port of a peer that has sent to it is not lost either when it moves behind its own NAT's mapping.
    const { peers } = await met.da.status();
    expect(peers).toMatchObject([{ state: "direct" }]);
  });
});

withLab("a host that is away", { concurrent: true }, (startLab) => {
  describe("for a while", () => {
    it.each([5, 60])("is back within 15 s of an outage of %i s", { timeout: 180_000 }, async (seconds) => {
      await using met = await meet(startLab);
      const { link } = met.lab.nat("a");
      const backMs = await interruption(met, async () => {
        await link.cut();
        await delay(seconds * 1000);
        await link.mend();
        return Date.now();
      });
      expect(backMs).toBeLessThan(15_000);
    });

    it("is back within 5 s when it was suspended for 60 s, and sends no burst", {
      timeout: 180_000,
    }, async () => {
      await using met = await meet(startLab);
      const { ha, da } = met;
      const backMs = await interruption(met, async () => {
        for (const process of [da.process, ha.wireguard.process]) process.signal("SIGSTOP");
        await delay(60_000);
        for (const process of [ha.wireguard.process, da.process]) process.signal("SIGCONT");
        return Date.now();
      });
      expect(backMs).toBeLessThan(5000);
      // Of what a ping that went on for a minute would have made: no more than one answer to each is said of a peer.
      await delay(2000);
      expect(da.peers().length).toBeLessThan(12);
    });

    it(`is reached at once after ${IDLE_S} s of silence behind a NAT that forgets after 20 s`, {
      timeout: 400_000,
    }, async () => {
      const timeouts = { unreplied: 20, stream: 20 };
      await using met = await meet(startLab, {
        nats: { a: { kind: "port-restricted", timeouts }, b: { kind: "port-restricted", timeouts } },
        hosts: { ha: { behind: "a" }, hb: { behind: "b" } },
      });
      await delay(IDLE_S * 1000);
      const { code, stdout } = await met.ha.host.tryRun(["ping", "-n", "-c1", "-W1", met.hb.address]);
      expect(code, stdout).toBe(0);
      expect(met.da.last(met.hb.publicKey)?.state).toBe("direct");
    });
  });
});
