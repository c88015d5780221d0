import { setTimeout as wait } from "node:timers/promises";
import { type Row, reported } from "../../bench/report.js";
import { type Lab, startLab } from "../lab/index.js";
import { Daemon } from "../test/support/daemon.js";
import { makeMembers } from "../test/support/mesh-lab.js";
import { BrokerWatch } from "./broker-watch.js";
import { usageOf } from "./usage.js";

const PEERS = 10;

/** How long a first meeting may echo before it is called idle, ms. */
const SETTLE_MS = 30_000;

/** A host with ten peers that it has met, over which nothing flows; and one with a peer that is never there. */
export async function idleRows(seconds: number): Promise<Row[]> {
  const names = Array.from({ length: PEERS }, (_, i) => `h${i}`);
  await using lab = await startLab({
    nats: { na: { kind: "port-restricted" } },
    hosts: { hub: { behind: "na" }, ...Object.fromEntries(names.map((name) => [name, {}])) },
    brokers: 2,
    stun: true,
  });
  await using other = await startLab({ hosts: { alone: {}, nobody: {} }, brokers: 2, stun: true });
  const unmet = await startUnmet(other);
  const watch = await BrokerWatch.start(lab);
  const members = await makeMembers(lab, ["hub", ...names], (one, two) => one === "hub" || two === "hub");
  const daemons = Object.values(members).map(({ host, wireguard }) => Daemon.start(lab, host, wireguard));
  const [hub] = daemons;
  if (hub === undefined) throw new Error("there is no hub");
  for (const name of names)
    await hub.until(members[name]?.publicKey ?? "", ({ state }) => state === "direct", 60_000);
  await wait(SETTLE_MS);

  const [before, startedAt] = [usageOf(hub.process.pid), Date.now()];
  await wait(seconds * 1000);
  const after = usageOf(hub.process.pid);
  const elapsed = (Date.now() - startedAt) / 1000;
  const { peers } = await hub.status();
  const direct = peers.filter(({ state }) => state === "direct").length;
  if (direct !== PEERS) throw new Error(`only ${direct} of ${PEERS} peers are direct`);
  const share = ((after.cpu - before.cpu) / elapsed) * 100;
  const messages = watch.messages().filter(({ time }) => time >= startedAt).length;
  // Each of the ten pairs has two ends.
  const hourly = ((messages / elapsed) * 3600) / (2 * PEERS);
  const megabytes = after.own / 1e6;
  return [
    {
      ...reported(
        `a daemon with ${PEERS} peers that are met, nothing flowing: CPU over ${seconds} s`,
        `${share.toFixed(2)} % of a core`,
      ),
      bar: "≤ 0.5 %",
      met: share <= 0.5,
    },
    {
      ...reported(
        "the same: resident memory",
        `${megabytes.toFixed(1)} MB (its two monitors: ${(after.children / 1e6).toFixed(1)} MB)`,
      ),
      bar: "≤ 90 MB",
      met: megabytes <= 90,
    },
    {
      ...reported(
        "messages over the brokers, a peer and hour, once met",
        `${hourly.toFixed(1)} (${messages} of ${2 * PEERS} ends in ${elapsed.toFixed(0)} s)`,
      ),
      bar: "≤ 30",
      met: hourly <= 30,
    },
    reported("messages over the brokers to a peer that is never there", unmet()),
  ];
}

/** @returns what says how many messages went out so far */
async function startUnmet(lab: Lab): Promise<() => string> {
  const watch = await BrokerWatch.start(lab);
  const { alone } = await makeMembers(lab, ["alone", "nobody"]);
  if (alone === undefined) throw new Error("there is no host");
  const startedAt = Date.now();
  Daemon.start(lab, alone.host, alone.wireguard);
  return () => `${watch.messages().length} in the first ${((Date.now() - startedAt) / 1000).toFixed(0)} s`;
}
