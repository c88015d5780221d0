import { setTimeout as delay } from "node:timers/promises";
import { expect, it } from "vitest";
import type { Lab, NatOptions } from "../../lab/index.js";
import type { PeerInfo } from "../../src/info.js";
import { Daemon } from "../support/daemon.js";
import { type Member, makeMembers } from "../support/mesh-lab.js";
import { type StartLab, withLab } from "../support/needs.js";
import { PingStream } from "../support/ping-stream.js";

const isRelayed = ({ state }: PeerInfo): boolean => state === "relayed";
const isDirect = ({ state }: PeerInfo): boolean => state === "direct";

interface Meeting extends AsyncDisposable {
  readonly lab: Lab;
  readonly ha: Member;
  readonly hb: Member;
  readonly hr: Member;
  readonly da: Daemon;
  readonly db: Daemon;
  readonly dr: Daemon;
}

/** What the network between the two loses, as rules of nft for packets from one outside address to another. */
type Loss = (from: string, to: string) => string;

const RESTRICTED: NatOptions = { kind: "port-restricted" };

/** Two hosts between which a direct path is possible, and a third that relays. */
async function meet(startLab: StartLab, loss?: Loss): Promise<Meeting> {
  const lab = await startLab({
    nats: { a: RESTRICTED, b: RESTRICTED },
    hosts: { ha: { behind: "a" }, hb: { behind: "b" }, hr: {} },
    brokers: 2,
    stun: true,
  });
  if (loss !== undefined) await lose(lab, loss);
  const { ha, hb, hr } = await makeMembers(lab, ["ha", "hb", "hr"]);
  if (ha === undefined || hb === undefined || hr === undefined) throw new Error("the lab has no such hosts");
  const dr = Daemon.start(lab, hr.host, hr.wireguard, { more: ["--relay"] });
  const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
  return { lab, ha, hb, hr, da, db, dr, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() };
}

/** From now on, packets between the two NATs are lost so; without rules, none is. */
async function lose(lab: Lab, loss?: Loss): Promise<void> {
  const [a = ""] = lab.nat("a").outside;
  const [b = ""] = lab.nat("b").outside;
  const rules = loss === undefined ? "" : `${loss(a, b)}\n${loss(b, a)}`;
  const chain = "chain between { type filter hook prerouting priority -300;";
  // In the box itself: what is outside is a bridge.
  for (const nat of ["a", "b"])
    await lab.nat(nat).namespace.set({
      nft: `table ip lossy\ndelete table ip lossy\ntable ip lossy {\n${chain}\n${rules}\n}\n}`,
    });
}

const ALL: Loss = (from, to) => `ip saddr ${from} ip daddr ${to} udp dport != 0 drop`;

async function both(
  { da, db, ha, hb }: Meeting,
  holds: (peer: PeerInfo) => boolean,
  ms?: number,
): Promise<number> {
  const [a, b] = await Promise.all([da.until(hb.publicKey, holds, ms), db.until(ha.publicKey, holds, ms)]);
  return Math.max(a.time, b.time);
}

withLab("a path that is relayed, and one that is not", { concurrent: true }, (startLab) => {
  it("29: changes to a direct one without a gap, and back within 5 s while data flows", async () => {
    await using met = await meet(startLab, ALL);
    await both(met, isRelayed);
    const ping = PingStream.start(met.ha.host, met.hb.address);
    await ping.answerAfter(Date.now());
    const opened = Date.now();
    await lose(met.lab);
    const directAt = await both(met, isDirect);
    await ping.answerAfter(directAt + 500);
    const up = ping.longestGap(opened);
    // Data flows for long enough that it is known to flow.
    await delay(6000);
    const shut = Date.now();
    await lose(met.lab, ALL);
    await both(met, isRelayed);
    await ping.answerAfter(Date.now() + 500);
    const down = ping.longestGap(shut);
    await ping.stop();
    console.log(`upgrade ${up} ms after ${directAt - opened} ms, downgrade ${down} ms`);
    expect(up).toBeLessThanOrEqual(100);
    expect(down).toBeLessThanOrEqual(5000);
  });

  it("35: is direct where that is possible, and relayed within 15 s when an idle one dies", async () => {
    await using met = await meet(startLab);
    await both(met, isDirect, 5000);
    await delay(3000);
    expect(met.da.last(met.hb.publicKey)?.state).toBe("direct");
    const shut = Date.now();
    await lose(met.lab, ALL);
    const relayedAt = await both(met, isRelayed);
    console.log(`idle downgrade ${relayedAt - shut} ms`);
    expect(relayedAt - shut).toBeLessThanOrEqual(15_000);
    expect(await met.ha.host.canPing(met.hb.address)).toBe(true);
  });
});
