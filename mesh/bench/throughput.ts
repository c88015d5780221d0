import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { atLeast, type Row } from "../../bench/report.js";
import { interleaved, median, type Rounds, ratioOf } from "../../bench/statistics.js";
import { type Lab, startLab } from "../lab/index.js";
import { Daemon } from "../test/support/daemon.js";
import { type Member, makeMembers } from "../test/support/mesh-lab.js";

const STREAM = join(import.meta.dirname, "stream.mjs");

/** How long a stream is measured, s. */
const SECONDS = 4;

/** How long to wait until what follows a start is over, ms. It takes a processor that the stream is to have. */
const SETTLE_MS = 4000;

/** One TCP stream through a tunnel that daemons look after, against the same tunnel set up by hand. */
export async function throughputRows(rounds: number): Promise<Row[]> {
  await using lab = await startLab({
    nats: { na: { kind: "port-restricted" }, nb: { kind: "port-restricted" } },
    hosts: { ha: { behind: "na" }, hb: { behind: "nb" } },
    brokers: 2,
    stun: true,
  });
  const members = await makeMembers(lab, ["ha", "hb"]);
  const pair = [members.ha, members.hb] as const;
  const [one, other] = pair;
  if (one === undefined || other === undefined) throw new Error("two hosts are needed");
  const both: Pair = [one, other];
  const folders = both.map(() => mkdtempSync(join(lab.folder, "state-")));
  const { ours, bare } = await interleaved(rounds, {
    ours: () => withDaemons(lab, both, folders),
    bare: () => byHand(lab, both),
  });
  return [
    {
      what: "a TCP stream through the tunnel",
      measured: rate(ours),
      against: `wireguard-go alone: ${rate(bare)}`,
      ...atLeast(0.98, ratioOf(ours, bare)),
    },
  ];
}

export type Pair = readonly [one: Member, other: Member];

async function withDaemons(lab: Lab, pair: Pair, folders: readonly string[]): Promise<number[]> {
  const daemons = pair.map(({ host, wireguard }, i) =>
    Daemon.start(lab, host, wireguard, { stateFolder: folders[i] ?? "" }),
  );
  const [one, other] = pair;
  await daemons[0]?.until(other.publicKey, ({ state }) => state === "direct");
  await daemons[1]?.until(one.publicKey, ({ state }) => state === "direct");
  await delay(SETTLE_MS);
  const measured = await stream(pair);
  for (const daemon of daemons) await daemon.stop();
  await startAnew(pair);
  return [measured];
}

/** The endpoints are those that the daemons find: the port-restricted boxes keep ports. */
async function byHand(lab: Lab, pair: Pair): Promise<number[]> {
  await Promise.all(
    pair.map(async ({ wireguard }, i) => {
      const other = pair[1 - i];
      const [address] = lab.nat(["nb", "na"][i] ?? "").outside;
      if (other === undefined) return;
      await wireguard.set(
        ...["peer", other.publicKey, "endpoint", `${address}:51820`, "persistent-keepalive", "25"],
      );
    }),
  );
  const measured = await stream(pair);
  await startAnew(pair);
  return [measured];
}

/** The peers are as they were: without endpoint and session. */
async function startAnew(pair: Pair): Promise<void> {
  for (const [i, { wireguard }] of pair.entries()) {
    await wireguard.set("peer", pair[1 - i]?.publicKey ?? "", "remove");
  }
  for (const [i, { wireguard }] of pair.entries()) {
    const other = pair[1 - i];
    if (other !== undefined)
      await wireguard.set("peer", other.publicKey, "allowed-ips", `${other.address}/32`);
  }
}

/** @returns bytes a second */
export async function stream([one, other]: Pair): Promise<number> {
  // A session may still be on its way.
  for (let i = 0; !(await one.host.canPing(other.address)); i++)
    if (i === 20) throw new Error("the tunnel does not come up");
  const receiver = other.host.node(STREAM, ["receive", other.address]);
  const [, port = ""] = await receiver.wrote(/^port (\d+)$/m);
  one.host.node(STREAM, ["send", other.address, port, `${SECONDS}`]);
  const [, bytes] = await receiver.wrote(/^received (\S+) B\/s$/m);
  return Number(bytes);
}

export function rate(rounds: Rounds): string {
  return `${((median(rounds.flat()) * 8) / 1e6).toFixed(0)} Mbit/s`;
}
