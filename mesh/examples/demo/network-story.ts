import { setTimeout as pause } from "node:timers/promises";
import { cell, milliseconds, paint, say, title } from "../../../examples/demo/screen.js";
import { EndlessPing, longestGap } from "./endless-ping.js";
import { difference, stateOf } from "./host-state.js";
import type { Member } from "./member.js";
import { NAMES, NETWORK, type NetworkStage } from "./network-stage.js";
import { readTraffic } from "./traffic.js";

/** From `join` to the first answer of a host that is called by its name, on a busy machine, ms. */
const JOIN_MS = 15_000;
/** A removal has reached everybody after this, ms. */
const REMOVAL_MS = 2000;
/** The longest time without a ping that a change of the uplink may cost where the new path is relayed, ms. */
const GAP_MS = 10_000;
/** How long anything is waited for, ms: on a busy machine it takes its time, and is judged by its own bound. */
const PATIENCE_MS = 30_000;
/** Pings that are to come back before something happens, and after. */
const PINGS = 20;

/** Tells of a network of five. Returns what did not hold: nothing, if all went well. */
export async function tellOfNetwork(stage: NetworkStage): Promise<string[]> {
  const { members } = stage;
  const problems: string[] = [];
  const check = (holds: boolean, otherwise: string): void => {
    if (!holds) problems.push(otherwise);
  };
  const before = await Promise.all(NAMES.map(async (name) => await stateOf(members[name].host)));

  title("1  Five hosts", "none of them knows a key of another");
  showHosts(stage);
  title("2  Four join", "each by the token that ann has made, one after the other");
  const addresses = await joinAll(stage, check);

  title(
    "3  Two without a direct path",
    "carl and dora are behind symmetric NATs: ann relays, and reads nothing",
  );
  await showRelay(stage, addresses, check);

  title("4  A member is removed", "ann$ sidewire-mesh remove emil");
  await remove(stage, addresses, check);

  title("5  All brokers die", "then ben's first uplink goes, and his daemon starts anew");
  await survive(stage, addresses, check);

  title("6  The count", "when all have left");
  problems.push(...(await leave(stage, before)));
  const [leaks, traffic] = [await stage.lab.takeLeaks(), await readTraffic(stage.lab)];
  const plaintext = leaks.reduce((sum, { packets }) => sum + packets, 0);
  const shown = paint(plaintext === 0 ? "green" : "red", `${plaintext} in plaintext`);
  say(
    `  outside, ${traffic.packets} packets were seen, ${traffic.encrypted} of them WireGuard's data, and ${shown}`,
  );
  check(plaintext === 0, `${plaintext} packets were seen outside in plaintext`);
  check(traffic.encrypted > 0, "nothing went through the middle of the network");
  return problems;
}

type Check = (holds: boolean, otherwise: string) => void;

function showHosts({ lab, members: { ann, ben, carl, dora, emil } }: NetworkStage): void {
  const outside = (nat: string): string => lab.nat(nat).outside.join();
  const rows: readonly (readonly [Member, string])[] = [
    [ann, `in the open, ${ann.host.address()}; consents to relay`],
    [ben, `behind a NAT, ${outside("home")}; a second uplink behind another, ${outside("mobile")}`],
    [carl, `behind a symmetric NAT, ${outside("hotel")}`],
    [dora, `behind a symmetric NAT, ${outside("campus")}`],
    [emil, `behind a NAT, ${outside("office")}`],
  ];
  for (const [{ name }, where] of rows) say(`  ${cell(name, 6, "cyan")} ${where}`);
  say(`  in the middle: ${lab.brokers.length} MQTT brokers, and STUN servers`);
}

/** @returns the IPv4 address of each, by name */
async function joinAll({ members }: NetworkStage, check: Check): Promise<ReadonlyMap<string, string>> {
  const { ann, ben, carl, dora, emil } = members;
  const joining = [ben, carl, dora, emil];
  const token = await ann.found(NETWORK, "10.9.0.1/24", joining.length);
  say(`  ${paint("dim", "ann$ sidewire-mesh invite")}  ${token.slice(0, 40)}… (${token.length} characters)`);
  const called = `ann.${NETWORK}.internal`;
  for (const member of joining) {
    const startedAt = performance.now();
    member.join(token);
    await until(async () => await member.reaches(called), `${member.name} did not reach ${called}`);
    const ms = performance.now() - startedAt;
    say(`  ${cell(milliseconds(ms), -7)}  ${cell(member.name, 6, "cyan")} ping ${called} is back`);
    check(ms <= JOIN_MS, `${member.name} reached ${called} after ${milliseconds(ms)}, not ${JOIN_MS} ms`);
  }
  const network = await ann.network();
  return new Map(network.members.map(({ name, addresses: [address = ""] }) => [name, address]));
}

async function showRelay(
  { members: { ann, carl, dora } }: NetworkStage,
  addresses: ReadonlyMap<string, string>,
  check: Check,
): Promise<void> {
  const [from, to] = [addresses.get("carl") ?? "", addresses.get("dora") ?? ""];
  const { interface: tunnel } = ann.host;
  // What ann could read of the two would come out of her WireGuard as a ping from one to the other.
  await ann.host.namespace.set({
    nft: `table inet demo {
      counter readable { }
      chain watch {
        type filter hook prerouting priority -320;
        iifname "${tunnel}" ip saddr { ${from}, ${to} } ip daddr { ${from}, ${to} } counter name readable
      }
    }`,
  });
  const ping = new EndlessPing(carl.host, to);
  await ping.more(PINGS, PATIENCE_MS);
  const other = (await dora.status()).publicKey;
  say(paint("dim", "carl$ sidewire-mesh status"));
  await carl.show(["status", carl.host.interface]);
  const { peers } = await carl.status();
  const peer = peers.find(({ publicKey }) => publicKey === other);
  check(peer?.state === "relayed", `carl reaches dora not by a relay: ${peer?.reason}`);
  const sessions = (await ann.status()).relaying ?? [];
  const passed = sessions.reduce((sum, { packets }) => sum + packets, 0);
  const listing = JSON.parse(
    await ann.host.run(["nft", "-j", "list", "counter", "inet", "demo", "readable"]),
  );
  const readable: number = listing.nftables.at(-1).counter.packets;
  await ann.host.namespace.set({ nft: "delete table inet demo" });
  const sent = await ping.stop();
  const shown = paint(readable === 0 ? "green" : "red", `${readable} that she could read`);
  say(`  ${sent} pings from carl to dora; ann passed on ${passed} packets, ${shown}`);
  check(passed >= 2 * PINGS, `ann passed on ${passed} packets, fewer than ${2 * PINGS}`);
  check(readable === 0, `ann could read ${readable} packets of carl and dora`);
}

async function remove(
  { members: { ann, ben, carl, dora, emil } }: NetworkStage,
  addresses: ReadonlyMap<string, string>,
  check: Check,
): Promise<void> {
  const { publicKey } = await emil.status();
  const startedAt = performance.now();
  const { code, stderr } = await ann.run(["remove", "emil", "--interface", ann.host.interface]);
  check(code === 0, `remove failed: ${stderr.trim()}`);
  await Promise.all(
    [ann, ben, carl, dora].map(async (member) => {
      const isGone = async (): Promise<boolean> => !(await member.peers()).includes(publicKey);
      await until(isGone, `${member.name} has emil still`);
      const ms = performance.now() - startedAt;
      say(`  ${cell(milliseconds(ms), -7)}  ${cell(member.name, 6, "cyan")} has emil no more`);
      check(ms <= REMOVAL_MS, `${member.name} had emil for ${milliseconds(ms)}, not ${REMOVAL_MS} ms`);
    }),
  );
  const reached = await emil.reaches(addresses.get("ann") ?? "");
  say(`  emil pings ann: ${reached ? paint("red", "answered") : paint("green", "no answer")}`);
  check(!reached, "ann still answers emil");
}

async function survive(
  { lab, members: { ann, ben, carl, dora } }: NetworkStage,
  addresses: ReadonlyMap<string, string>,
  check: Check,
): Promise<void> {
  const pings = [ann, carl, dora].map(({ name }) => ({
    name,
    ping: new EndlessPing(ben.host, addresses.get(name) ?? ""),
  }));
  await Promise.all(pings.map(async ({ ping }) => await ping.more(PINGS, PATIENCE_MS)));
  await Promise.all(lab.brokers.map(async (broker) => await broker.kill()));
  say(`  ${lab.brokers.length} brokers are killed`);
  await ben.host.down("eth0");
  await Promise.all(pings.map(async ({ ping }) => await ping.more(PINGS, PATIENCE_MS)));
  for (const { name, ping } of pings) {
    const gapMs = longestGap(ping.replies());
    await ping.stop();
    say(
      `  ben's eth0 went: the longest time without a ping to ${cell(name, 5)} ${paint("bold", milliseconds(gapMs))}`,
    );
    check(gapMs <= GAP_MS, `ben did not reach ${name} for ${milliseconds(gapMs)}, more than ${GAP_MS} ms`);
  }
  await ben.run(["down", ben.host.interface]);
  const startedAt = performance.now();
  ben.up();
  // Carl and Dora are reached by a relay alone, which has to be found again.
  for (const { name } of [ann, carl, dora]) {
    const called = `${name}.${NETWORK}.internal`;
    await until(async () => await ben.reaches(called), `ben did not reach ${called} again`);
    const ms = performance.now() - startedAt;
    say(`  ben started anew: ${paint("bold", milliseconds(ms))} until ${name} answers him again`);
  }
}

/** Ends all, and looks whether everything is as it was. */
async function leave({ members }: NetworkStage, before: readonly string[]): Promise<string[]> {
  const all = NAMES.map((name) => members[name]);
  const problems: string[] = [];
  for (const member of all) {
    const { code, stderr } = await member.run(["down", member.host.interface]);
    if (code !== 0) problems.push(`${member.name}: down failed: ${stderr.trim()}`);
  }
  await members.ben.host.up("eth0");
  for (const [i, { name, host }] of all.entries()) {
    const [was = "", is] = [before[i], await stateOf(host)];
    if (is !== was) problems.push(`${name} is not as before: ${difference(was, is)}`);
  }
  if (problems.length === 0)
    say("  all five are left as before: no interface, addresses, routes, nft tables");
  return problems;
}

async function until(holds: () => Promise<boolean>, otherwise: string): Promise<void> {
  for (const deadline = performance.now() + PATIENCE_MS; !(await holds()); await pause(10))
    if (performance.now() > deadline) throw new Error(`${otherwise} within ${PATIENCE_MS / 1000} s`);
}
