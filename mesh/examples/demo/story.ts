import { setTimeout as pause } from "node:timers/promises";
import { milliseconds, paint, say, short, title } from "../../../examples/demo/screen.js";
import { EndlessPing, longestGap, type Reply } from "./endless-ping.js";
import { difference, stateOf } from "./host-state.js";
import { showNetwork } from "./picture.js";
import type { Side } from "./side.js";
import type { Stage } from "./stage.js";
import { type Moment, momentsOf, showTimeline } from "./timeline.js";
import { readTraffic } from "./traffic.js";

/** The first ping is back so long after both daemons are ready, at most, ms. */
const FIRST_PING_MS = 5000;
/** The longest time without a ping that a change of the uplink may cost, ms. */
const GAP_MS = 5000;
/** How long anything is waited for, ms: on a busy machine it takes its time, and is judged by its own bound. */
const PATIENCE_MS = 20_000;
/** Pings that are to come back before the uplink changes, and after. */
const PINGS = 20;

/** Tells how two hosts meet, and how one moves. Returns what did not hold: nothing, if all went well. */
export async function tell(stage: Stage): Promise<string[]> {
  const { lab, ann, ben } = stage;
  const sides = [ann, ben] as const;
  const problems: string[] = [];
  const check = (holds: boolean, otherwise: string): void => {
    if (!holds) problems.push(otherwise);
  };
  const before = await Promise.all(sides.map(async ({ host }) => await stateOf(host)));

  title("1  The network", "each NAT box lets in only whom its host has spoken to");
  showNetwork(stage);
  for (const [own, other] of [sides, [ben, ann]] as const)
    say(
      `  ${own.name} has ${other.name}'s public key ${short(other.publicKey)}, and no address of ${other.name}`,
    );
  check(await isWatched(stage), "the watch for plaintext did not see a packet that was sent to try it");

  title("2  They meet", "milliseconds since both were started with sidewire-mesh up");
  const ping = new EndlessPing(ann.host, ben.address);
  const startedAt = Date.now();
  for (const side of sides) side.up();
  const met = await meet(stage, ping);
  showTimeline(met.moments, startedAt);
  const firstMs = met.firstAt - met.readyAt;
  say(`  first ping ${paint("bold", milliseconds(firstMs))} after both were ready`);
  check(
    firstMs <= FIRST_PING_MS,
    `the first ping was back after ${milliseconds(firstMs)}, not ${FIRST_PING_MS} ms`,
  );
  await ping.more(PINGS, PATIENCE_MS);

  title("3  What both say", "sidewire-mesh status");
  for (const side of sides) {
    say(paint("dim", `${side.name}$ sidewire-mesh status`));
    await side.show(["status", side.host.interface]);
  }

  title("4  Ann's first uplink goes", "eth0 goes down, eth1 has another NAT box");
  const moved = await move(stage, ping);
  showTimeline(moved.moments, moved.at);
  await ping.more(PINGS, PATIENCE_MS);
  for (const side of sides) {
    const [peer] = (await side.status()).peers;
    check(peer?.state === "direct", `${side.name} has no direct path at the end: ${peer?.reason}`);
  }

  title("5  The count", "when both have left");
  const replies = ping.replies();
  const sent = await ping.stop();
  showPings(sent, replies, moved.at);
  const gapMs = longestGap(replies);
  check(gapMs <= GAP_MS, `no ping came back for ${milliseconds(gapMs)}: more than ${GAP_MS} ms`);
  check(
    sent - Math.max(0, ...replies.map(({ number }) => number)) < PINGS,
    "the last pings did not come back",
  );
  problems.push(...(await leave(stage, before)));
  const [leaks, traffic] = [await lab.takeLeaks(), await readTraffic(lab)];
  const plaintext = leaks.reduce((sum, { packets }) => sum + packets, 0);
  say(`  outside, ${traffic.packets} packets were seen, ${traffic.encrypted} of them WireGuard's data,`);
  say(
    `  and ${paint(plaintext === 0 ? "green" : "red", `${plaintext} in plaintext`)}: with an address of the overlay`,
  );
  check(plaintext === 0, `${plaintext} packets were seen outside in plaintext`);
  check(traffic.encrypted >= 2 * replies.length, "the pings did not go through the middle of the network");
  return problems;
}

/** Whether the watch sees what it is there for: one packet past the tunnel, by the uplink. */
async function isWatched({ lab, ann, ben }: Stage): Promise<boolean> {
  await ann.host.tryRun(["ping", "-n", "-c1", "-W0.2", "-I", "eth1", ben.address]);
  // On its way it may wait for its neighbour's answer. Seen later, it would be taken for a real one.
  for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await pause(50))
    if ((await lab.takeLeaks()).length > 0) return true;
  return false;
}

async function meet(
  { ann, ben }: Stage,
  ping: EndlessPing,
): Promise<{ readonly moments: Moment[]; readonly readyAt: number; readonly firstAt: number }> {
  const pairs = [
    [ann, ben],
    [ben, ann],
  ] as const;
  const handshakes = pairs.map(async ([side]) => await handshake(side));
  const ready = await Promise.all(
    pairs.map(async ([side]) => {
      const told = await side.until(({ event }) => event === "ready", PATIENCE_MS, "it was not ready");
      await side.until(
        (it) => it.event === "peer" && it.state === "direct",
        PATIENCE_MS,
        "there was no direct path",
      );
      return told.time;
    }),
  );
  await ping.more(1, PATIENCE_MS);
  const firstAt = ping.replies()[0]?.at ?? Number.NaN;
  const moments = pairs.flatMap(([side, other]) => momentsOf(side, other, 0));
  moments.push(...(await Promise.all(handshakes)));
  moments.push({ at: firstAt, who: ann.name, what: "the first ping is back", isGood: true });
  return { moments, readyAt: Math.max(...ready), firstAt };
}

async function handshake(side: Side): Promise<Moment> {
  for (const deadline = Date.now() + PATIENCE_MS; ; await pause(20)) {
    const at = await side.handshakeAt();
    if (at !== undefined) return { at, who: side.name, what: "WireGuard's handshake is done", isGood: true };
    if (Date.now() > deadline) throw new Error(`${side.name}: WireGuard made no handshake`);
  }
}

/** Takes Ann's first uplink away. */
async function move(
  { lab, ann, ben }: Stage,
  ping: EndlessPing,
): Promise<{ readonly moments: Moment[]; readonly at: number }> {
  const last = ping.replies().at(-1);
  const at = Date.now();
  await ann.host.down("eth0");
  const [outside = ""] = lab.nat("mobile").outside;
  await ben.until(
    (told) => told.event === "peer" && told.path?.endpoint.startsWith(`${outside}:`) === true,
    PATIENCE_MS,
    "ann was not found behind her other NAT box",
  );
  await ping.more(PINGS, PATIENCE_MS);
  const moments = [...momentsOf(ann, ben, at), ...momentsOf(ben, ann, at)];
  const back = ping
    .replies()
    .find((reply, i, all) => reply.at - (all[i - 1]?.at ?? 0) > 500 && reply.at > at);
  moments.push({ at, who: ann.name, what: `eth0 goes down, after ping ${last?.number}` });
  if (back !== undefined)
    moments.push({ at: back.at, who: ann.name, what: `ping ${back.number} is back`, isGood: true });
  return { moments, at };
}

function showPings(sent: number, replies: readonly Reply[], movedAt: number): void {
  const gap = milliseconds(longestGap(replies));
  say(`  ${sent} pings, ${replies.length} came back; the longest time without one: ${paint("bold", gap)}`);
  const quiet = longestGap(replies.filter(({ at }) => at < movedAt));
  say(paint("dim", `  before the uplink changed it was ${milliseconds(quiet)}: one leaves every 100 ms`));
}

/** Ends both, and looks whether everything is as it was. */
async function leave({ ann, ben }: Stage, before: readonly string[]): Promise<string[]> {
  const sides = [ann, ben];
  const problems: string[] = [];
  for (const side of sides) {
    const { code, stderr } = await side.run(["down", side.host.interface]);
    if (code !== 0) problems.push(`${side.name}: down failed: ${stderr.trim()}`);
  }
  await ann.host.up("eth0");
  for (const [i, { name, host }] of sides.entries()) {
    const [was = "", is] = [before[i], await stateOf(host)];
    if (is === was) say(`  ${name} is left as before: interface, addresses, routes, nft tables`);
    else problems.push(`${name} is not as before: ${difference(was, is)}`);
  }
  return problems;
}
