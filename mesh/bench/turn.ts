import { type Row, reported, times } from "../../bench/report.js";
import { interleaved, ratioOf } from "../../bench/statistics.js";
import { startLab } from "../lab/index.js";
import { Daemon } from "../test/support/daemon.js";
import { makeMembers } from "../test/support/mesh-lab.js";
import { rate, stream } from "./throughput.js";

/**
 * One TCP stream between two hosts that a TURN server relays, against one to a host that is reached directly. Everything is
 * on one machine: a relayed packet passes coturn, and the daemon of the host whose allocation it is.
 */
export async function turnRows(rounds: number): Promise<Row[]> {
  await using lab = await startLab({
    nats: { na: { kind: "symmetric" }, nb: { kind: "symmetric" } },
    hosts: { ha: { behind: "na" }, hb: { behind: "nb" }, hd: {} },
    brokers: 2,
    stun: true,
    turn: true,
  });
  const { ha, hb, hd } = await makeMembers(lab, ["ha", "hb", "hd"]);
  if (ha === undefined || hb === undefined || hd === undefined) throw new Error("three hosts are needed");
  const more = ["--turn", lab.turn.url, "--turn-credentials", lab.turn.credentialsFile];
  const da = Daemon.start(lab, ha.host, ha.wireguard, { more });
  for (const { host, wireguard } of [hb, hd]) Daemon.start(lab, host, wireguard);
  await da.until(hb.publicKey, ({ path }) => path?.kind === "turn");
  await da.until(hd.publicKey, ({ state }) => state === "direct");
  const { relayed, direct } = await interleaved(rounds, {
    relayed: async () => [await stream([ha, hb])],
    direct: async () => [await stream([ha, hd])],
  });
  return [
    {
      ...reported("a TCP stream through coturn", rate(relayed)),
      against: `to a host directly: ${rate(direct)}`,
      result: times(ratioOf(relayed, direct)),
    },
  ];
}
