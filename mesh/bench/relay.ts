import { atLeast, type Row } from "../../bench/report.js";
import { interleaved, ratioOf } from "../../bench/statistics.js";
import { startLab } from "../lab/index.js";
import { Daemon } from "../test/support/daemon.js";
import { makeMembers } from "../test/support/mesh-lab.js";
import { rate, stream } from "./throughput.js";

/**
 * One TCP stream between two hosts that are relayed, against one to the relay itself. Everything is on one machine: a
 * relayed packet is sealed and opened four times, a direct one twice.
 */
export async function relayRows(rounds: number): Promise<Row[]> {
  await using lab = await startLab({
    nats: { na: { kind: "symmetric" }, nb: { kind: "symmetric" } },
    hosts: { ha: { behind: "na" }, hb: { behind: "nb" }, hr: {} },
    brokers: 2,
    stun: true,
  });
  const { ha, hb, hr } = await makeMembers(lab, ["ha", "hb", "hr"]);
  if (ha === undefined || hb === undefined || hr === undefined) throw new Error("three hosts are needed");
  Daemon.start(lab, hr.host, hr.wireguard, { more: ["--relay"] });
  const [da, db] = [Daemon.start(lab, ha.host, ha.wireguard), Daemon.start(lab, hb.host, hb.wireguard)];
  await da.until(hb.publicKey, ({ state }) => state === "relayed");
  await db.until(ha.publicKey, ({ state }) => state === "relayed");
  const { relayed, direct } = await interleaved(rounds, {
    relayed: async () => [await stream([ha, hb])],
    direct: async () => [await stream([ha, hr])],
  });
  return [
    {
      what: "a TCP stream through a relay",
      measured: rate(relayed),
      against: `to the relay itself: ${rate(direct)}`,
      ...atLeast(0.35, ratioOf(relayed, direct)),
    },
  ];
}
